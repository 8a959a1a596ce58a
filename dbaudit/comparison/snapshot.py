"""A schema as a canonical script: what does not matter is not in it, so that git shows what does."""

from __future__ import annotations

from dataclasses import replace

from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError
from dbaudit.schema.canon import canonical
from dbaudit.schema.explicit import explicit_table
from dbaudit.schema.render import render
from dbaudit.schema.unified import sorted_keys

HEADER = "Canonical schema, written by dbaudit snapshot: names that servers make and counters are left out."


def snapshot(side: Side) -> str:
    """The script. Raises DbauditError where something of the side cannot be represented."""
    for fault in side.faults:
        if fault.hides:
            where = f" ({fault.place})" if fault.place else ""
            raise DbauditError(f"{side.label}: {fault.message}{where}", "a snapshot would leave it out without a word")
    schema = canonical(side.schema)
    tables = {name: explicit_table(sorted_keys(table)) for name, table in schema.tables.items()}
    return render(replace(schema, tables=tables), HEADER)
