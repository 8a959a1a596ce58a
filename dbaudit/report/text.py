"""The report for people: the verdict first, then what is wrong, what to do, the steps, and what was not checked."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbaudit.finding import Effect, Finding, Severity, Verdict
from dbaudit.report import repair
from dbaudit.report.steps import steps
from dbaudit.report.wording import between, line, plural, printable, size
from dbaudit.result import Basis, DatabaseResult, Result, Status

PLAIN_WIDTH = 100  # columns where the output is no terminal: what a mail or a CI log shows without wrapping
KEYS_IN_TEXT = 8  # natural keys named in a line; the JSON report has up to a hundred

# Commands that say what was or would be changed, and find nothing.
_OF_REPAIRS = ("repair", "undo", "runs", "volumes backfill-type", "volumes rehost")
# What a calibration says: it finds nothing, it measures; without --apply not even that.
_MEASURED = {True: "How much slower production is was measured", False: "Nothing was measured yet"}
_VERDICT_STYLE = {Verdict.CLEAN: "bold green", Verdict.WARNINGS: "bold yellow", Verdict.FAILED: "bold red"}
_SEVERITY_STYLE = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_GROUPS = (
    (Effect.BLOCKS, "Stops the upgrade"),
    (Effect.LOSES, "Loses data"),
    (Effect.SLOW, "Takes long"),
    (Effect.DRIFT, "Differs from the release"),
    (Effect.ADVICE, "Worth knowing"),
)


def render(result: Result, *, width: int | None = None, colour: bool = False) -> str:
    """The report as text; `width` in columns, `colour` puts ANSI escapes in."""
    out = io.StringIO()
    console = Console(
        file=out, width=width or PLAIN_WIDTH, force_terminal=colour, no_color=not colour, highlight=False,
        color_system="standard" if colour else None,
    )  # fmt: skip
    for part in _parts(result):
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n")).rstrip() + "\n"


def _parts(result: Result) -> Iterator[RenderableType]:
    for database in () if result.command in _OF_REPAIRS else result.databases:
        yield from _database(database)
    if result.command in _OF_REPAIRS:
        yield from repair.parts(result)
    else:
        yield Text()
        yield line(_MEASURED[bool(result.extra)], "bold") if result.command == "calibrate" else _headline(result)
    for effect, title in _GROUPS:
        found = [each for each in result.findings if each.effect is effect and each.waived is None]
        if found:
            yield Text(f"\n{title} ({len(found)})", style="bold")
            for each in found:
                yield Padding(_finding(each), (0, 0, 0, 2))
    if waived := [each for each in result.findings if each.waived is not None]:
        yield Text(f"\nWaived ({len(waived)})", style="bold")
        for each in waived:
            yield Padding(_finding(each), (0, 0, 0, 2))
    if result.steps:
        yield from steps(result)
    if "window" in result.extra:
        yield from _window(result.extra["window"])
    if result.skipped:
        yield Text(f"\nNot checked ({len(result.skipped)})", style="bold")
        for skip in result.skipped:
            yield Padding(line(f"{skip.check}: {skip.reason}"), (0, 0, 0, 2))
    if result.notes:
        yield Text("\nNotes", style="bold")
        for note in result.notes:
            yield Padding(line(note), (0, 0, 0, 2))


def _database(database: DatabaseResult) -> Iterator[RenderableType]:
    version = ", ".join(f"{name} {number}" for name, number in database.version.items())
    what = f"{database.service} {database.release or 'of no known release'}" if database.service else "no known service"
    named = f", database {database.name}" if database.name else ""
    label = f"{database.label}  " if database.label else ""
    yield line(f"{label}{database.operand}{named}: {what}" + (f" ({version})" if version else ""), "bold")
    facts = [
        f"from MySQL or MariaDB {database.server}" if database.server else "server version not told",
        {True: "complete", False: "NOT COMPLETE", None: ""}[database.complete],
        plural(database.tables, "table") if database.tables is not None else "",
        plural(database.rows, "row") if database.rows is not None else "",
        size(database.bytes) if database.bytes is not None else "",
    ]
    yield Padding(line(", ".join(each for each in facts if each)), (0, 0, 0, 2))


def _headline(result: Result) -> RenderableType:
    word = Text(str(result.verdict).upper(), style=_VERDICT_STYLE[result.verdict])
    return Text.assemble(word, "  ", summary(result), overflow="fold")


def summary(result: Result) -> str:
    """One sentence that says what the verdict means."""
    counted = [each for each in result.findings if each.waived is None]
    blocks = [each for each in counted if each.effect is Effect.BLOCKS and each.confirmed is not False]
    losses = [each for each in counted if each.effect is Effect.LOSES and not each.expected]
    to = f" to {result.target}" if result.target else ""
    if blocks:
        order = {each.step: number for number, each in enumerate(result.steps)}
        first = min((each.step for each in blocks if each.step), key=lambda s: order.get(s, len(order)), default=None)
        return f"the upgrade{to} stops at {first}" if first else f"the upgrade{to} stops"
    if losses:
        return f"the upgrade{to} loses data ({plural(len(losses), 'finding')})"
    if result.verdict is Verdict.FAILED:
        return f"{plural(len(counted), 'finding')}, errors among them"
    if result.target is None:
        quiet = all(each.severity is Severity.NOTE for each in counted)  # a plan is clean, whatever it lists
        return "nothing found" if result.verdict is Verdict.CLEAN and quiet else "see the findings"
    return _course(result, to)


def _course(result: Result, to: str) -> str:
    """How far the steps came, where nothing was found that stops the upgrade."""
    left = [each for each in result.steps if each.status is Status.NOT_RUN]
    if result.basis is Basis.PREDICTED:
        if not result.steps:
            return f"no step{to} is known, and none was run: see what was not checked"
        return f"nothing found that stops the upgrade{to}; this is a prediction, its steps were not run"
    if left:
        ran = len(result.steps) - len(left)
        return f"only {ran} of {plural(len(result.steps), 'step')}{to} were run, from {left[0].step} on none"
    through = f"the upgrade{to} runs through"
    return through if result.verdict is Verdict.CLEAN else f"{through}, with warnings"


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble(
        (f"{finding.severity:<7} ", _SEVERITY_STYLE[finding.severity]),
        (f"{printable(finding.database)}  " if finding.database else "", "bold"),
        (f"{finding.step}  " if finding.step else "", "bold"),
        printable(finding.object),
        (f"  [{finding.check}]", "dim"),
        _tags(finding),
        overflow="fold",
    )
    lines: list[RenderableType] = [line(_sentence(finding.message))]
    lines += [line(f"- {each}", "dim") for each in finding.evidence]
    if finding.keys and not finding.evidence and finding.keys != (finding.object,):
        lines.append(line(_keys(finding), "dim"))
    if finding.waived:
        said = finding.waived
        lines.append(line(f"Waived until {said.expires} by {said.owner}: {said.reason}", "dim"))
    if finding.remedy:
        lines.append(Text.assemble(("Do: ", "bold"), printable(finding.remedy), overflow="fold"))
    return Group(head, *(Padding(each, (0, 0, 0, 8)) for each in lines))


def _sentence(message: str) -> str:
    """The message with a capital, unless it starts with a name."""
    return message[:1].upper() + message[1:] if message.partition(" ")[0].isalpha() else message


def _keys(finding: Finding) -> str:
    shown = ", ".join(finding.keys[:KEYS_IN_TEXT])
    more = finding.count - min(len(finding.keys), KEYS_IN_TEXT)
    return f"{shown} and {more:,} more" if more > 0 else shown


def _tags(finding: Finding) -> str:
    tags = [
        "may" if finding.certainty == "may" else "",
        "expected" if finding.expected else "",
        {True: "confirmed", False: "not confirmed", None: ""}[finding.confirmed],
    ]
    named = ", ".join(each for each in tags if each)
    return f" ({named})" if named else ""


def _window(window: Mapping[str, Any]) -> Iterator[RenderableType]:
    """How long the steps take, stage by stage; what is not known says why."""
    yield Text(f"\nWindow ({_span(window)})", style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for stage in window["stages"]:
        how = " side by side" if stage["parallel"] and len(stage["databases"]) > 1 else ""
        table.add_row(stage["stage"], _span(stage), line(", ".join(stage["databases"]) + how, "dim"))
    yield Padding(table, (0, 0, 0, 2))


def _span(span: Mapping[str, Any]) -> str:
    if span["seconds"] is None:
        return f"not known: {span['reason']}"
    there = span["production_seconds"]
    return f"{span['seconds']:,.2f} s" + (f"; in production {between(there)}" if there else "")
