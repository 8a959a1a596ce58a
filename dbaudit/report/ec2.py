"""What a follower tells machines: a Prometheus textfile, and a line of JSON for each event. No secret is in either."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from dbaudit.ec2.status import Status
from dbaudit.errors import DbauditError

_PREFIX = "dbaudit_ec2"
_VERBS = ("create", "update", "delete")


def render(status: Status) -> str:
    """The state as Prometheus' text format."""
    return "\n".join(_lines(status)) + "\n"


def _lines(status: Status) -> Iterator[str]:
    changes = {
        f'verb="{verb}",side="{side}"': status.counts[verb, side] for verb in _VERBS for side in ("grizzly", "havana")
    }
    yield from _metric("changes_total", "counter", "Keys carried over, by what was done and the side written.", changes)
    yield from _metric("rounds_total", "counter", "Rounds.", {"": status.rounds})
    yield from _metric("conflicts_total", "counter", "Conflicts met.", {"": status.conflicts_ever})
    yield from _metric("conflicts", "gauge", "Conflicts that are open.", {"": status.conflicts})
    yield from _metric("deletes_held", "gauge", "Deletes that the safety valve holds back.", {"": status.held})
    yield from _metric("deletes_held_total", "counter", "Deletes ever held back.", {"": status.held_ever})
    yield from _metric("lost_connections_total", "counter", "Sessions that broke off.", {"": status.lost})
    reported = {f'kind="{kind}"': count for kind, count in sorted(status.kinds.items())}
    yield from _metric("reported", "gauge", "Keys and rows with something odd, by kind.", reported)
    keys = {f'side="{side}"': count for side, count in sorted(status.keys.items())} | {'side="base"': status.base}
    yield from _metric("keys", "gauge", "Keys on each side and in the base.", keys)
    yield from _metric("waiting", "gauge", "Keys left to the next round.", {"": status.waiting})
    yield from _metric("lag_seconds", "gauge", "Age of the oldest change when it was carried over.", {"": status.lag})
    yield from _metric("round_seconds", "gauge", "Time of the last round.", {"": status.seconds})
    yield from _metric("last_round_timestamp_seconds", "gauge", "End of the last round.", {"": status.at})
    yield from _metric("last_full_scan_timestamp_seconds", "gauge", "End of the last full scan.", {"": status.full_at})
    yield from _metric("healthy", "gauge", "1: connected, and no deletes held back.", {"": int(status.health == "ok")})


def _metric(name: str, kind: str, help: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {help}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"
    for labels, value in values.items():
        number = f"{value:.3f}" if isinstance(value, float) else str(value)
        yield f"{_PREFIX}_{name}{{{labels}}} {number}" if labels else f"{_PREFIX}_{name} {number}"


def writer(path: Path | None) -> Callable[[Status], None]:
    """Writes the textfile after each round, whole or not at all, so that a collector never reads a part.

    DbauditError where it cannot be written at first. Later a full disk must not end the sync: the file gets old, as its
    timestamps tell.
    """
    written = False

    def write(status: Status) -> None:
        nonlocal written
        if path is None:
            return
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            part.write_text(render(status))
            part.replace(path)
            written = True
        except OSError as error:
            if not written:
                raise DbauditError(f"the metrics file {path} cannot be written: {error.strerror}") from None

    return write


@contextlib.contextmanager
def lines(path: Path | None, out: IO[str]) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Writes events as lines of JSON, to a file (at its end) or to `out`. What a full disk does not take is lost."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("a", encoding="utf-8")) if path else out
        except OSError as error:
            raise DbauditError(f"the events file {path} cannot be written: {error.strerror}") from None

        def write(event: Mapping[str, Any]) -> None:
            with contextlib.suppress(*([OSError] if path else [])):
                file.write(json.dumps(event, ensure_ascii=False) + "\n")
                file.flush()

        yield write
