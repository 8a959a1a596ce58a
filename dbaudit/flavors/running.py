"""Signs that nova's services still work on a database, in which ids must not change under them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dbaudit.cells.source import Source
from dbaudit.proof.running import ALIVE, HEARTBEATS


def signs(source: Source) -> Iterator[str]:
    """A sentence for each table in which services reported within the two minutes before the database was read."""
    if source.instant.at is None:
        return
    since = (source.instant.at - timedelta(seconds=ALIVE)).strftime("%Y-%m-%d %H:%M:%S")
    for table, column in HEARTBEATS:
        count = sum(1 for (time,) in source.rows(table, (column,)) if time is not None and time >= since)
        if count:
            yield f"nova's services seem to run: {count} of `{table}` reported in the last {ALIVE} seconds"
