"""A directory that mydumper wrote, as the parts of a dump."""
