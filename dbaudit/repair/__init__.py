"""Change rows of a live database, in chunks that are journaled and can be undone.

`target` is the database, `plan` says what would change, `apply` changes it, `undo` gives it back, `runs` lists what was
done. A repair never runs DDL on the repaired database.
"""
