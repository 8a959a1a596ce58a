"""A flush as a Prometheus textfile, for the node exporter's textfile collector. Written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dbaudit.errors import DbauditError
from dbaudit.result import Result

_PREFIX = "dbaudit_tokens_flush"
_RUN = {
    "success": "Whether the last run came to its end.",
    "completed_timestamp_seconds": "When the last run ended.",
    "duration_seconds": "How long it took.",
    "cutoff_timestamp_seconds": "What expired before this was deleted.",
    "held_back_seconds": "How long the throttle held it back.",
}
_TABLE = {
    "deleted_rows": ("deleted", "Rows that the last run deleted."),
    "never_expire_rows": ("never_expires", "Rows without an expiry, which are never deleted."),
    "retries": ("retries", "Chunks that were tried again."),
    "chunks": ("chunks", "Transactions."),
    "longest_chunk_seconds": ("longest_chunk", "The longest transaction."),
    "seconds": ("seconds", "How long the table took."),
}


def write_metrics(path: Path, result: Result, values: Mapping[str, float]) -> None:
    """Write the file. Raises DbauditError where it cannot be written; the old one is then still there."""
    text = "".join(f"{line}\n" for line in _lines(result, values))
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, 0o644)  # the exporter is another user
            os.fsync(handle)
        os.replace(name, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise DbauditError(f"the metrics {path} cannot be written: {error.strerror}", "name another file") from None


def _lines(result: Result, values: Mapping[str, float]) -> Iterator[str]:
    database = result.databases[0].name or ""
    stamped = {**values, "completed_timestamp_seconds": time.time()}
    for name, help_ in _RUN.items():
        if name in stamped:
            yield from _head(name, help_)
            yield f"{_PREFIX}_{name}{_labels(database=database)} {stamped[name]:.3f}"
    for name, (key, help_) in _TABLE.items():
        found = [(each["table"], each[key]) for each in result.extra["flush"]["tables"] if each.get(key) is not None]
        if found:
            yield from _head(name, help_)
            for table, value in found:
                yield f"{_PREFIX}_{name}{_labels(database=database, table=table)} {_number(value)}"


def _head(name: str, help_: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {help_}"
    yield f"# TYPE {_PREFIX}_{name} gauge"


def _labels(**labels: str) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
