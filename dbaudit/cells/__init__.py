"""Databases that mirror each other: nova's top database and its cells, read together and compared by uuid."""
