"""The report of `dbaudit tokens flush` for people: what cannot be undone first, then a block for each table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbaudit.report.wording import plural, printable, size
from dbaudit.result import Result


def render(result: Result, *, width: int | None = None, colour: bool = False) -> str:
    """The plan or the deed as text; lines are not wrapped, so that a mail can be searched."""
    flush = result.extra["flush"]
    return "\n".join(printable(line) for line in _lines(result, flush)) + "\n"


def _lines(result: Result, flush: Mapping[str, Any]) -> Iterator[str]:
    (database,) = result.databases
    release = f", keystone {database.release}" if database.release else ""
    yield f"{database.operand}{release}, server {database.server}"
    if not flush["applied"]:
        yield f"PLAN  nothing was changed; --apply deletes. UNDO IS IMPOSSIBLE: {flush['undo']}"
    else:
        yield f"DONE  {plural(flush['deleted'], 'row')} deleted ({flush['profile']}; journal=none, no undo)"
    yield f"cutoff {flush['cutoff']}: {flush['cutoff_is']}"
    for table in flush["tables"]:
        yield from _deed(table) if flush["applied"] else _plan(table)
    if flush.get("mended"):
        yield f"archive: {plural(flush['mended'], 'row')} taken out that a run before had not come to delete"
    if flush.get("archived"):
        yield f"archive: {plural(flush['archived'], 'row')} kept"
    for table, said in flush.get("optimized", {}).items():
        yield f"OPTIMIZE TABLE {table}: {said}"
    for skip in result.skipped:
        yield f"SKIPPED  {skip.check}: {skip.reason}"
    yield from result.notes


def _plan(table: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"{table['table']}: {table['dead']:,} of {plural(table['rows'], 'row')} dead, {size(table['bytes'])}"
    yield f"  dead: {table['dead_is']}"
    for child, rows in table["children_dead"].items():
        why = next(each["why"] for each in table["children"] if each["table"] == child)
        yield f"  with them: {plural(rows, 'row')} of {child} ({why})"
    if table["never_expires"]:
        yield f"  {plural(table['never_expires'], 'row')} without an expiry: reported, never deleted"
    if table["invalid_kept"]:
        yield f"  {plural(table['invalid_kept'], 'row')} invalid and not yet expired: kept"
    if table["note"]:
        yield f"  {table['note']}"
    yield f"  way: {table['course']}"
    yield f"  {table['statement']}"


def _deed(table: Mapping[str, Any]) -> Iterator[str]:
    more = "".join(f", {rows:,} of {name}" for name, rows in table["children_deleted"].items())
    speed = table["deleted"] / table["seconds"] if table["seconds"] else 0.0
    retries = f", {plural(table['retries'], 'retry', 'retries')}" if table["retries"] else ""
    whole = "" if table["complete"] else "; not finished"
    yield (
        f"{table['table']}: {plural(table['deleted'], 'row')} deleted{more} in {table['seconds']:.1f} s "
        f"({speed:,.0f} rows/s, {plural(table['chunks'], 'chunk')}, longest {table['longest_chunk']:.3f} s{retries}), "
        f"{table['course']}{whole}"
    )
    if table["never_expires"]:
        yield f"  {plural(table['never_expires'], 'row')} without an expiry left alone"
