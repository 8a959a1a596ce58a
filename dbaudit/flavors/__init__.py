"""Flavors that agree everywhere: definitions, what instances point at, and the copies that they embed."""
