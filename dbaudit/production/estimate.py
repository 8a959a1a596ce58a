"""The times of a rehearsal at production's size, as a range that is meant to hold; withheld where nobody can know.

What grows is the server's time of a step; what the tool needs beside it is taken as it was. At most it grows with the
rows of the largest growth among the tables that the step worked on, and a little more, as sorting does. At least it
does not grow; but where the step worked on every row of the table and the server was busy for a second or longer, it
grows with the rows.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Skipped
from dbaudit.production.calibration import Calibration, Ratio, load
from dbaudit.production.conditions import Conditions, same_series
from dbaudit.proof.file import load as load_manifest
from dbaudit.result import Result, Status, StepResult
from dbaudit.server.version import ServerVersion

CHECK = "production.seconds"
# Seconds of the server from which on its fixed cost (files, metadata) is small beside the work on rows.
BUSY = 1.0


@dataclass(frozen=True, slots=True)
class Production:
    """What is known of production: rows of tables, None of tables that are as in the dump; and a calibration."""

    rows: Mapping[str, int] = field(default_factory=dict)
    calibration: Calibration | None = None


def read_production(sizes: Sequence[str], calibration: Path | None) -> Production | None:
    """What options say of production; None where they say nothing. `sizes` are TABLE=ROWS, or files.

    A file is what `dbaudit manifest` wrote, or the JSON report of `dbaudit inspect`. Raises DbauditError or UsageError.
    """
    if not sizes and calibration is None:
        return None
    rows: dict[str, int] = {}
    for each in sizes:
        table, equals, count = each.partition("=")
        if equals and not Path(each).exists():
            if not table or not count.replace("_", "").isdecimal():
                raise UsageError(f"--production-size {each!r}", "write TABLE=ROWS, or name a file")
            rows[table] = int(count)
        else:
            rows |= _from_file(Path(each))
    return Production(rows, load(calibration) if calibration else None)


def _from_file(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text("utf-8")) if path.suffix == ".json" else {}
        if contents := content.get("contents"):
            return {table["name"]: table["rows"] for table in contents[0]["tables"] if table["rows"] is not None}
    except OSError as error:
        raise DbauditError(f"{path} cannot be read: {error.strerror}", "write TABLE=ROWS, or name a file") from None
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        pass  # a manifest, or nothing that is known, which reading it as one tells
    return {name: table.count for name, table in load_manifest(path).tables.items()}


def estimate(
    result: Result, rows: Mapping[str, int], production: Production, here: Conditions, dump: ServerVersion | None
) -> Result:
    """The result with a range of seconds for each step that ran, or with the reason why there is none.

    `rows` are those of the dump, `here` the server of the rehearsal, `dump` the server that the dump is from.
    """
    ratio = _ratio(production.calibration, here, dump)
    if isinstance(ratio, str):
        return replace(result, skipped=(*result.skipped, Skipped(CHECK, ratio)))
    steps: list[StepResult] = []
    reasons: dict[str, list[StepResult]] = {}
    for step in result.steps:
        found = _range(step, rows, production, ratio)
        if isinstance(found, str):
            reasons.setdefault(found, []).append(step)
        steps.append(step if isinstance(found, str) else replace(step, production=found))
    skipped = (Skipped(CHECK, f"{_named(same)}: {reason}") for reason, same in reasons.items())
    return replace(result, steps=tuple(steps), skipped=(*result.skipped, *skipped))


def _named(steps: Sequence[StepResult]) -> str:
    """The first of steps that share a reason, and how many more do."""
    return f"{steps[0].step}" + (f" and {len(steps) - 1} more" if len(steps) > 1 else "")


def _ratio(found: Calibration | None, here: Conditions, dump: ServerVersion | None) -> Ratio | str:
    """The ratio of production to this server, or why it is not known."""
    if found is None:
        series = "" if dump is None or same_series(dump, here.server) else f"the dump is from {dump.name}, "
        settings = ", ".join(f"{name}={value}" for name, value in here.durability.items())
        return (
            f"withheld: {series}the steps ran on {here.server.name} with {settings}, and production's settings are not "
            "known; `dbaudit calibrate URL` measures the ratio, --calibrate takes it"
        )
    if unlike := tuple(here.unlike(found.throwaway)):
        return f"withheld: the steps ran on another throwaway server than the calibration: {'; '.join(unlike)}"
    if found.throwaway.machine != platform.node():
        return f"withheld: the calibration was made on {found.throwaway.machine}, the steps ran on {platform.node()}"
    if dump is not None and not same_series(dump, found.production.server):
        return f"withheld: the dump is from {dump.name}, the calibration of {found.production.server.name}"
    return found.ratio


def _range(
    step: StepResult, rows: Mapping[str, int], production: Production, ratio: Ratio
) -> tuple[float, float] | str:
    """Seconds, least and most, or why they are not known."""
    if step.status is not Status.OK or step.seconds is None:
        return "it failed" if step.status is Status.FAILED else "it was not run"
    touched = _touched(step, production)
    growths = {
        table: production.rows[table] / max(1, rows.get(table, 0)) for table in touched if table in production.rows
    }
    if full := _too_large(step, growths, production):
        return full
    record = step.record
    server = (
        step.seconds if record is None or record.server_seconds is None else min(record.server_seconds, step.seconds)
    )
    tool = step.seconds - server
    table = max(growths, key=lambda name: growths[name], default=None)
    growth = growths[table] if table else 1.0
    if growth <= 1 or table is None:
        return tool + server * growth * ratio.low, tool + server * ratio.high
    most = growth * _sorting(rows.get(table, 0), production.rows[table])
    least = growth if server >= BUSY and _whole(step, table, rows.get(table, 0)) else 1.0
    return tool + server * least * ratio.low, tool + server * most * ratio.high


def _touched(step: StepResult, production: Production) -> frozenset[str]:
    """The tables whose rows the step may have worked on; all where that was not observed."""
    record = step.record
    if record is None or record.rows is None:
        return frozenset(production.rows)
    worked = {table for table, rows in record.rows.items() if rows.read or rows.changed}
    return frozenset(worked | {ddl.table for ddl in record.ddl or ()} | (record.touched or frozenset()))


def _whole(step: StepResult, table: str, rows: int) -> bool:
    """Whether the step worked on every row of the table."""
    found = (step.record.rows or {}).get(table) if step.record else None
    return found is not None and rows > 0 and max(found.read, found.changed) >= rows


def _sorting(here: int, there: int) -> float:
    """How much more than its rows a sort grows."""
    return math.log2(max(2, there)) / math.log2(max(2, here))


def _too_large(step: StepResult, growths: Mapping[str, float], production: Production) -> str | None:
    """Why a step cannot be told: a table that fits into memory here, and not there."""
    sizes = (step.record.bytes if step.record else None) or {}
    memory = production.calibration.production.memory if production.calibration else 0
    for table, growth in growths.items():
        before, after = sizes.get(table, (None, None))
        there = max(before or 0, after or 0) * growth
        if growth > 1 and memory and there > memory:
            return (
                f"withheld: {table} would be {there / 1e9:,.1f} GB, more than production's buffer pool of "
                f"{memory / 1e9:,.1f} GB, and was in memory here"
            )
    return None
