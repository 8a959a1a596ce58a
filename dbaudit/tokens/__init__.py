"""Delete what keystone leaves behind: expired tokens, and what still grows today.

`family` says what is dead, `survey` counts it, `flush` deletes it, `archive` keeps it, `rebuild` makes a small table.
"""
