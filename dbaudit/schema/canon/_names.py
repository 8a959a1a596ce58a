"""How servers name what nobody named."""

from __future__ import annotations

# A foreign key: the table as it was called then, or as it is called now. InnoDB keeps the old table's name
# in it after a rename of sqlalchemy-migrate's kind, so any `<word>_ibfk_<number>` counts.
SERVER_KEY = r"(?:{table}|\w+)_ibfk_\d+$|\d+$"
