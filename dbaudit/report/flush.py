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
    yield _headline(flush)
    yield f"cutoff {flush['cutoff']}: {flush['cutoff_is']}"
    if "rebuild" in flush:
        yield from _rebuild(flush["rebuild"], applied=flush["applied"])
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


def _headline(flush: Mapping[str, Any]) -> str:
    if not flush["applied"]:
        return f"PLAN  nothing was changed; --apply deletes. UNDO IS IMPOSSIBLE: {flush['undo']}"
    if "rebuild" in flush:
        return "DONE  the old table is still there"
    return f"DONE  {plural(flush['deleted'], 'row')} deleted ({flush['profile']}; journal=none, no undo)"


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


def _rebuild(told: Mapping[str, Any], *, applied: bool) -> Iterator[str]:
    yield f"to take the swap back: {told['reverse']}"
    if not applied:
        yield f"REBUILD, keystone stopped: living rows go to a new table; the old one stays as {told['old_table']}"
        return
    checked = told["verified"]
    yield (
        f"rebuilt in {told['seconds']:.1f} s: {plural(told['copied'], 'row')} copied, "
        f"{plural(told['replayed'], 'row')} replayed in {plural(told['passes'], 'pass', 'passes')}, "
        f"the swap took {told['locked']:.3f} s"
    )
    yield (
        f"verified by key: {plural(checked['rows'], 'living row')}, {checked['missing']} missing, "
        f"{checked['differing']} differ, {checked['newer']} only in the new table"
    )
    yield f"the old table is {told['old_table']}; drop it when you are sure: DROP TABLE `{told['old_table']}`"
    if told["others"] is None:
        yield "WARNING: other connections cannot be seen without PROCESS: is keystone stopped?"
    if told["others"]:
        yield f"WARNING: {plural(told['others'], 'other connection')} on this database: is keystone stopped?"
