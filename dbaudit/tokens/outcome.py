"""What a flush tells: the plan or the deed as the envelope of every command, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dbaudit.finding import Verdict
from dbaudit.repair.plan import unseen
from dbaudit.result import DatabaseResult, Result
from dbaudit.tokens.family import Family
from dbaudit.tokens.flush import FAST, Done, Report
from dbaudit.tokens.opened import Opened, count
from dbaudit.tokens.survey import Survey

COMMAND = "tokens flush"
# What stands first in a plan: a purge of millions of rows is not worth a second copy of them in the same server.
NO_UNDO = (
    "journal=none: what a flush deletes cannot be brought back by dbaudit undo; --archive FILE keeps the rows in a "
    "file, --journal keeps them in the journal"
)


def plan(opened: Opened) -> Result:
    """What a flush would delete. Reads only."""
    tables = [{**_table(each.family), **_counts(each)} for each in count(opened)]
    with opened.target.session() as connection:
        notes = unseen(connection, opened.target)
    return replace(_result(opened, {"applied": False, "tables": tables}), notes=tuple(notes))


def flushed(opened: Opened, report: Report) -> Result:
    """The deed, as far as it came."""
    tables = [{**_table(each.survey.family), **_counts(each.survey), **_deed(each)} for each in report.done]
    more = {
        "applied": True,
        "run": report.run,
        "profile": report.profile.name,
        "deleted": sum(each.tally.rows for each in report.done),
        "archived": report.archived,
        "mended": report.mended,
        "optimized": report.optimized,
        "tables": tables,
    }
    return _result(opened, more)


def journaled(opened: Opened, result: Result) -> Result:
    """What the repair engine says of a flush with `--journal`, with the tables that were skipped."""
    worse = opened.lacking and result.verdict is Verdict.CLEAN
    verdict = Verdict.WARNINGS if worse else result.verdict
    return replace(result, verdict=verdict, skipped=(*result.skipped, *opened.skipped))


def nothing() -> Report:
    """The report of a run that deleted no rows one by one."""
    return Report(FAST)


def _result(opened: Opened, flush: Mapping[str, Any]) -> Result:
    cutoff, target = opened.cutoff, opened.target
    head = {
        "cutoff": cutoff.at.isoformat() + "Z",
        "cutoff_is": cutoff.why,
        "settings": dict(opened.retention.said),
        "journal": "none",
        "undo": NO_UNDO,
    }
    missed = any(said.startswith("not done") for said in flush.get("optimized", {}).values())
    release = None if opened.release is None else str(opened.release)
    database = DatabaseResult(
        target.database,
        target.shown,
        "keystone",
        release,
        server=target.version.short,
        tables=len(opened.schema.tables),
    )
    return Result(
        COMMAND,
        Verdict.WARNINGS if opened.lacking or missed else Verdict.CLEAN,
        databases=(database,),
        skipped=opened.skipped,
        extra={"flush": {**head, **flush}},
    )


def _table(family: Family) -> dict[str, Any]:
    return {
        "table": family.table,
        "dead_is": family.rule,
        "note": family.note,
        "children": [{"table": each.table, "why": each.why} for each in family.children],
        "statement": f"DELETE FROM {family.name} WHERE <a range of the key> AND {family.dead}",
    }


def _counts(seen: Survey) -> dict[str, Any]:
    return {
        "rows": seen.rows,
        "bytes": seen.bytes,
        "dead": seen.dead,
        "never_expires": seen.never,
        "invalid_kept": seen.invalid,
        "children_dead": dict(seen.children),
        "way": str(seen.way),
        "course": seen.course,
    }


def _deed(done: Done) -> dict[str, Any]:
    tally = done.tally
    return {
        "deleted": tally.rows,
        "children_deleted": dict(tally.children),
        "never_expires": tally.never if done.survey.never is None else done.survey.never,
        "read": tally.read,
        "chunks": tally.chunks,
        "retries": tally.retries,
        "longest_chunk": round(tally.longest, 3),
        "seconds": round(done.seconds, 3),
        "complete": done.complete,
    }
