"""The steps in the report for people: a line each, and more of those that failed, were slow or need a look."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbaudit.record import NOT_OBSERVED, DdlRecord, Failure, RowsRecord, StepRecord
from dbaudit.report.wording import between, line, plural, size
from dbaudit.result import Result, Status, StepResult

STEPS_IN_TEXT = 8  # steps not run that are listed one by one
SLOW = 1.0  # seconds from which a step is told of more closely, where it is one of the slowest
SLOWEST = 5  # as many of them
_LINES = 6  # lines of one kind below a step; the JSON report has them all
_STATUS_STYLE = {Status.OK: "green", Status.FAILED: "red", Status.NOT_RUN: "dim"}


def steps(result: Result) -> Iterator[RenderableType]:
    """The table of steps, and below it those that a person will ask about."""
    run = [each for each in result.steps if each.status is not Status.NOT_RUN]
    left = [each for each in result.steps if each.status is Status.NOT_RUN]
    how = f"on {result.rehearsed_on}" if run and result.rehearsed_on else "none was run"
    yield Text(f"\nSteps ({len(result.steps)} pending, {f'{len(run)} run {how}' if run else how})", style="bold")
    shown = result.steps if run else result.steps[:STEPS_IN_TEXT]
    yield Padding(_step_table(shown), (0, 0, 0, 2))
    if not run and len(left) > len(shown):
        yield Padding(line(f"... and {len(left) - len(shown):,} more, up to {left[-1].step}", "dim"), (0, 0, 0, 2))
    slow = sorted((each for each in run if _seconds(each) >= SLOW), key=lambda each: -_seconds(each))[:SLOWEST]
    for each in run:
        lines = [*_failed(each), *_observed(each, slow=each in slow)]
        if lines:
            yield Padding(line(f"{each.step}", "bold"), (0, 0, 0, 2))
            yield from (Padding(line(text), (0, 0, 0, 4)) for text in lines)


def _seconds(step: StepResult) -> float:
    return step.seconds or 0.0


def _step_table(steps: tuple[StepResult, ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    watched = any(each.record for each in steps)
    for number in range(5 if watched else 3):
        table.add_column(no_wrap=True, justify="right" if number in (3, 4) else "left")
    table.add_column(overflow="fold")
    for each in steps:
        seconds = "" if each.seconds is None else f"{each.seconds:.2f} s"
        status = Text(str(each.status), style=_STATUS_STYLE[each.status])
        detail = each.error or (f"applied {', '.join(each.revisions)}" if each.revisions else "")
        there = f"in production {between(each.production)}" if each.production else ""
        name = f"{each.database}  {each.step}" if each.database else str(each.step)
        counts = (_rows(each.record), _growth(each.record)) if watched else ()
        table.add_row(name, status, seconds, *counts, line(" - ".join(t for t in (each.title, detail, there) if t)))
    return table


def _rows(record: StepRecord | None) -> str:
    if record is None or record.total is None:
        return ""
    return plural(record.total.changed, "row") if record.total.changed else ""


def _growth(record: StepRecord | None) -> str:
    growth = record.growth if record else None
    return "" if not growth else f"{'+' if growth > 0 else '-'}{size(abs(growth))}"


def _failed(step: StepResult) -> Iterator[str]:
    failure = step.failure
    if failure is None:
        return
    if failure.doing:
        yield f"was at: {failure.doing}"
    if failure.statement:
        yield f"failed: {failure.statement}"
    if failure.left or failure.changed:
        rows = [f"{plural(count, 'row')} of {table} written" for table, count in (failure.changed or {}).items()]
        yield f"left behind: {_some([*(failure.left or ()), *rows])}"
    elif failure.left is not None:
        yield "left nothing behind"
    if failure.half:
        yield failure.half
    yield _retry(failure)


def _retry(failure: Failure) -> str:
    if failure.retry is None:
        return "whether a retry would do is not known: --retry tries it"
    if failure.by == "tried":
        return "run again, it passed" if failure.retry else f"run again, it failed: {failure.error}"
    if failure.retry:
        return "a retry would do, once the cause is repaired"
    return f"a retry would fail: {failure.error}" if failure.error else "a retry would fail"


def _observed(step: StepResult, *, slow: bool) -> Iterator[str]:
    record = step.record
    if record is None:
        return
    if slow:
        yield _summary(record)
        yield from (_ddl(each) for each in (record.ddl or ()) if each.algorithm)
        if record.slowest and record.slowest[0].seconds > SLOW / 2:
            first = record.slowest[0]
            yield f"slowest: {first.text[:200]} ({first.count:,} times, {first.seconds:.2f} s)"
    if record.warnings and record.warnings.count:
        texts, missing = record.warnings.texts, record.warnings.missing
        told = f": {_some(list(texts))}" if texts else ""
        yield plural(record.warnings.count, "warning") + told + (f" ({missing:,} without text)" if missing else "")
        if missing and record.warnings.statements:
            said = [f"{text[:200]} ({count:,})" for text, count in record.warnings.statements]
            yield f"warned: {_some(said)}"
    if slow and record.not_observed:
        yield f"not observed: {'; '.join(record.not_observed)}"


def _summary(record: StepRecord) -> str:
    parts = [
        f"server {record.server_seconds:.2f} s" if record.server_seconds is not None else "",
        plural(record.statements, "statement") if record.statements is not None else "",
        f"redo {size(record.redo_bytes)}" if record.redo_bytes is not None else "",
        f"temporary files {size(record.temporary_bytes)}" if record.temporary_bytes else "",
        *(f"{name}: {rows.changed:,} written, {rows.read:,} read" for name, rows in _largest(record)),
    ]
    return ", ".join(part for part in parts if part)


def _largest(record: StepRecord) -> list[tuple[str, RowsRecord]]:
    return sorted((record.rows or {}).items(), key=lambda item: -(item[1].changed + item[1].read))[:3]


def _ddl(each: DdlRecord) -> str:
    how = each.algorithm + (", rebuilt" if each.rebuilt and each.algorithm != "COPY" else "")
    lock = f", lock {each.lock}" if each.lock not in ("", NOT_OBSERVED) else ""
    return f"{each.statement[:200]}: {how}{lock}, {each.seconds:.2f} s"


def _some(texts: list[str]) -> str:
    more = len(texts) - _LINES
    return "; ".join(texts[:_LINES]) + (f" and {more:,} more" if more > 0 else "")
