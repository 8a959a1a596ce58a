"""The differences in the options of two canonical tables, as clauses of ALTER TABLE. Partitions are not among them."""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.schema.canon._charsets import of_table
from dbaudit.schema.model import Table
from dbaudit.schema.render import render_option
from dbaudit.schema.text import quote

# What takes an option back, where DEFAULT does not.
_BACK = {
    "key_block_size": "0", "checksum": "0", "delay_key_write": "0", "avg_row_length": "0", "max_rows": "0",
    "min_rows": "0", "connection": "''", "compression": "''", "encryption": "'N'", "password": "''",
    "transactional": "0", "page_checksum": "0", "table_checksum": "0",
}  # fmt: skip


def options_changed(old: Table, new: Table) -> Iterator[str]:
    """Clauses such as `ENGINE=InnoDB`, in a fixed order."""
    if new.engine and (old.engine or "").lower() != new.engine.lower():
        yield f"ENGINE={new.engine}"
    if new.charset and of_table(old) != of_table(new):
        charset, collation = of_table(new)
        yield f"DEFAULT CHARACTER SET {charset} COLLATE {collation}"
    if old.row_format != new.row_format:
        yield f"ROW_FORMAT={new.row_format or 'DEFAULT'}"
    if old.comment != new.comment:
        yield f"COMMENT={quote(new.comment)}"
    before, after = dict(old.options), dict(new.options)
    for key in sorted({*before, *after}):
        if before.get(key) == after.get(key):
            continue
        if key == "versioning":
            yield f"{'ADD' if key in after else 'DROP'} SYSTEM VERSIONING"
        elif key in after:
            yield render_option(key, after[key])
        else:
            yield f"{key.upper()}={_BACK.get(key, 'DEFAULT')}"
