"""Two schemas side by side, each from wherever it is: a dump, a live database, a reference, a folder of SQL files.

Operands are read here into one form (`side`), and the differences are given a meaning: known variants, a site's own
objects, likely renames. What is different is for `schema.diff` to say, what to run for `schema.alter`.
"""
