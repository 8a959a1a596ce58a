"""The report of a plan, a run, an undo or a list of runs, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbaudit.report.wording import line
from dbaudit.result import Result

GROUPS = 12  # groups of rows shown; the JSON report has all


def parts(result: Result) -> Iterator[RenderableType]:
    """What stands above the notes."""
    extra = result.extra
    for database in result.databases:
        yield line(f"{database.name} on {database.server}, {database.operand}", "bold")
    if "plan" in extra:
        yield from _plan(extra)
    if "undo" in extra:
        yield from _undo(extra)
    if "runs" in extra:
        yield from _runs(extra["runs"])


def _plan(extra: Mapping[str, Any]) -> Iterator[RenderableType]:
    plan, applied = extra["plan"], extra["applied"]
    yield line(f"\n{'Done' if applied else 'Plan'}: {plan['work']}", "bold")
    for part in plan["parts"]:
        yield from _part(part, applied=applied)
    if not applied:
        yield line("\nNothing was written; --apply does it." if plan["rows"] else "\nThere is nothing to do.")
        return
    done = extra["outcome"]
    if done["run"] is None:
        yield line("\nThere was nothing to do.")
        return
    again = ", resumed" if done["resumed"] else ""
    held = f", held back for {done['waited']:.1f} s" if done["waited"] else ""
    yield line(
        f"\nrun {done['run']}{again}: {_rows(done['rows'])} changed in {done['chunks']:,} chunk(s), "
        f"{done['seconds']:.1f} s{held}"
    )
    if done["later"]:
        yield line(f"{_rows(done['later'])} came while it ran; the next run takes them")
    yield line(f"to take it back: dbaudit undo URL {done['run']}")


def _part(part: Mapping[str, Any], *, applied: bool) -> Iterator[RenderableType]:
    verb = {"delete": "deleted", "update": "updated"}[part["operation"]]
    would = "were to be" if applied else "would be"
    if part["derived"]:
        said = (
            f"{part['part']}: computed anew from the rows that it counts; {_rows(part['rows'])} said otherwise before"
        )
        yield Padding(line(said), (0, 0, 0, 2))
        return
    yield Padding(line(f"{_rows(part['rows'])} of {part['total']:,} of `{part['table']}` {would} {verb}"), (0, 0, 0, 2))
    if part["cascades"]:
        named = ", ".join(f"`{each}`" for each in part["cascades"])
        yield Padding(line(f"with what refers to them in {named} (journaled too)"), (0, 0, 0, 4))
    if part["counts"]:
        yield Padding(_counts(part["counts"]), (0, 0, 0, 4))
    if not applied:
        yield Padding(line(part["sql"], "dim"), (0, 0, 0, 4))
        for row in part["sample"]:
            yield Padding(
                line(", ".join(f"{name} {'NULL' if value is None else value}" for name, value in row.items())),
                (0, 0, 0, 4),
            )


def _counts(counts: list[Mapping[str, Any]]) -> Table:
    """Rows by group, the largest first, with what the groups become."""
    table = Table(box=None, padding=(0, 2), show_edge=False)
    for name in counts[0]:
        table.add_column(name, justify="right" if name == "rows" else "left")
    for each in sorted(counts, key=lambda row: -int(row["rows"]))[:GROUPS]:
        table.add_row(*("NULL" if value is None else str(value) for value in each.values()))
    if len(counts) > GROUPS:
        table.add_row(f"... and {len(counts) - GROUPS:,} more")
    return table


def _undo(extra: Mapping[str, Any]) -> Iterator[RenderableType]:
    undo, applied = extra["undo"], extra["applied"]
    yield line(f"\nUndo of run {undo['run']} ({undo['check']})", "bold")
    would = "came back" if applied else "would come back"
    yield Padding(line(f"{_rows(undo['rows'])} {would}, each with what its cascades reached"), (0, 0, 0, 2))
    if undo["kept_rows"]:
        yield Padding(
            line(f"{_rows(undo['kept_rows'])} left as now, because somebody touched them since:"), (0, 0, 0, 2)
        )
        for each in undo["kept"]:
            yield Padding(line(f"- {each}"), (0, 0, 0, 4))
    if not applied:
        yield line("\nNothing was written; --apply does it.")


def _runs(runs: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    if not runs:
        yield line("\nno run yet")
        return
    table = Table(box=None, padding=(0, 2), show_edge=False)
    for name in ("run", "check", "started", "rows", "state"):
        table.add_column(name, justify="right" if name in ("run", "rows") else "left")
    for each in runs:
        table.add_row(str(each["run"]), each["check"], each["started"], f"{each['rows']:,}", each["state"])
    yield Text()
    yield table


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
