"""The comparison of two schemas for people, grouped by table; the other formats are those of every command."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dbaudit.comparison.compare import Comparison, Judged
from dbaudit.comparison.findings import label, result, sentence
from dbaudit.comparison.normalised import Normalised
from dbaudit.comparison.side import Side
from dbaudit.comparison.suggestions import suggestions
from dbaudit.errors import DbauditError, UsageError
from dbaudit.report.text import PLAIN_WIDTH
from dbaudit.report.wording import plural
from dbaudit.report.write import FORMATS, Destination
from dbaudit.result import Result
from dbaudit.schema.alter_script import script
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.unified import unified

_MARKS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~", Change.RENAMED: "=", Change.REORDERED: "="}
_STYLES = {"+": "green", "-": "red", "~": "yellow", "=": "cyan"}
_SHOWN = 4  # objects that are named where many are treated as equal for one reason
_TEXT = 160  # characters of a definition


def write(comparison: Comparison, where: Sequence[Destination], *, width: int | None, colour: bool) -> Result:
    """Write the comparison to each destination and return its result."""
    found = result(comparison)
    for each in where:
        if each.format != "text":
            text = FORMATS[each.format](found)
        elif each.path is None:
            text = render(comparison, found, width=width, colour=colour)
        else:
            text = render(comparison, found)
        save(text, each.path)
    return found


def save(text: str, path: Path | None) -> None:
    """Write text to a file, or to standard output for None."""
    if path is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DbauditError(f"cannot write {path}: {error.strerror}", "name another file with -o") from None


class Form(StrEnum):
    """What can be written instead of a report."""

    UNIFIED = "--unified"
    SQL = "--sql"
    ALEMBIC = "--alembic"


def form(*, unified: bool, sql: bool, alembic: bool, formats: Sequence[str]) -> Form | None:
    """The one that is asked for. Raises UsageError for more than one, and beside --format."""
    wanted = [each for each, asked in zip(Form, (unified, sql, alembic), strict=True) if asked]
    if len(wanted) > 1 or (wanted and formats):
        raise UsageError(
            f"{' and '.join(wanted)}{' and --format' if formats else ''} cannot be written at once",
            "ask for one at a time",
        )
    return wanted[0] if wanted else None


def written(form: Form, comparison: Comparison, *, allow_loss: bool) -> str:
    """The text of that form."""
    left, right = comparison.left, comparison.right
    names = left.label, right.label
    if form is Form.UNIFIED:
        return unified(left.schema, right.schema, names)
    renames = tuple(suggestions(comparison.renames, left.schema, right.schema))
    if form is Form.SQL:
        return script(left.schema, right.schema, names, allow_loss=allow_loss, renames=renames)
    from dbaudit.schema.alembic_script import revision  # here: Alembic takes as long to import as all the rest of it

    return revision(left.schema, right.schema, names, allow_loss=allow_loss, renames=renames)


def render(comparison: Comparison, found: Result, *, width: int | None = None, colour: bool = False) -> str:
    """The comparison as text; `width` in columns, `colour` puts ANSI escapes in."""
    out = io.StringIO()
    console = Console(
        file=out, width=width or PLAIN_WIDTH, force_terminal=colour, no_color=not colour, highlight=False,
        color_system="standard" if colour else None,
    )  # fmt: skip
    for line in _lines(comparison, found):
        console.print(line, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).rstrip() + "\n"


def _lines(comparison: Comparison, found: Result) -> Iterator[Text]:
    yield _side("left ", comparison.left)
    yield _side("right", comparison.right)
    yield Text()
    yield _headline(comparison)
    faults = [each for each in found.findings if each.check.startswith("diff.")]
    if faults:
        yield Text("\nNot read, or odd", style="bold")
        for fault in faults:
            yield Text(f"  {fault.message}" + "".join(f": {place}" for place in fault.evidence))
    yield from _differences(comparison.different)
    if comparison.renames:
        yield Text("\nPerhaps renamed", style="bold")
        for each in comparison.renames:
            where = f"{each.table}." if each.table else ""
            yield Text(f"  {each.kind} {where}{each.old} -> {where}{each.new}: {', '.join(each.evidence)}")
    yield from _notes(comparison)
    if comparison.equal is not None:
        yield from _equal(comparison.equal)


def _side(which: str, side: Side) -> Text:
    version = ", ".join(f"{name} {number}" for name, number in side.versions.numbers.items())
    facts = [
        side.what,
        f"{side.service} {side.release or ''}".strip() if side.service else "",
        version,
        f"from {side.server}" if side.server else "",
        plural(len(side.schema.tables), "table"),
    ]
    return Text.assemble((f"{which}  {side.label}", "bold"), f"  {', '.join(each for each in facts if each)}")


def _headline(comparison: Comparison) -> Text:
    notes = [each for each in comparison.judged if each.note]
    tail = f", and {plural(len(notes), 'note')}" if notes else ""
    hidden = any(fault.hides for side in (comparison.left, comparison.right) for fault in side.faults)
    if not comparison.different:
        if hidden:
            return Text.assemble(("NOT KNOWN", "bold yellow"), f"  what could be read is equal{tail}")
        return Text.assemble(("EQUAL", "bold green"), f"  no differences{tail}")
    groups = {_group(each.difference) for each in comparison.different}
    count = plural(len(comparison.different), "difference")
    where = plural(len(groups), "object") if len(groups) > 1 else next(iter(groups))
    return Text.assemble(("DIFFERENT", "bold yellow"), f"  {count} in {where}{tail}")


def _group(each: Difference) -> str:
    """The heading that a difference stands under."""
    if each.table is not None:
        return f"table {each.table}"
    return str(each.kind) if each.kind is Kind.DATABASE else f"{each.kind} {each.name}"


def _differences(judged: Iterable[Judged]) -> Iterator[Text]:
    for group, items in groupby(judged, key=lambda each: _group(each.difference)):
        yield Text(f"\n{group}", style="bold")
        for each in items:
            yield _difference(each)


def _difference(judged: Judged) -> Text:
    each = judged.difference
    mark = _MARKS[each.change]
    whole = each.kind is Kind.TABLE or each.table is None
    name = "" if whole else f"{each.kind} {each.name or '(named by the server)'}"
    text = Text.assemble((f"  {mark} ", _STYLES[mark]), name)
    if each.change is Change.CHANGED:
        values = f"{_short(each.left)} -> {_short(each.right)}"
        text.append(f"{': ' if name else ''}{each.attribute} {values}")
    elif each.change is Change.RENAMED:
        text.append(sentence(each))
    else:
        text.append(_whole(each, bool(name)))
    if judged.judgement is not None:
        own, steps = judged.judgement.own, ", ".join(map(str, judged.judgement.steps))
        text.append(f"  [the site's own, of {own.owner}; pending {steps} works on it]", style="yellow")
    return text


def _whole(each: Difference, named: bool) -> str:
    side = "right" if each.change is Change.ADDED else "left"
    if each.kind is Kind.TABLE:
        return f"the whole table, only on the {side}"
    text = each.right if each.change is Change.ADDED else each.left
    return f"{': ' if named else ''}{_short(text)}"


def _short(text: str | None) -> str:
    if text is None or text == "":
        return "none"
    text = " ".join(text.split())
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."


def _notes(comparison: Comparison) -> Iterator[Text]:
    notes = [each for each in comparison.judged if each.note]
    if not notes and not comparison.notes:
        return
    yield Text("\nNotes", style="bold")
    by_variant: dict[str, list[str]] = {}
    for each in notes:
        if each.variant is not None:
            by_variant.setdefault(each.variant.why, []).append(label(each.difference))
        else:
            own = each.judgement.own if each.judgement else None
            why = f"; the site's own, of {own.owner}: {own.reason}" if own else ""
            yield Text(
                f"  {each.difference.kind} {label(each.difference)} {sentence(each.difference)}{why}", style="dim"
            )
    for why, objects in by_variant.items():
        yield Text(f"  known variant: {why}: {_named(objects)}", style="dim")
    for note in comparison.notes:
        yield Text(f"  {note}", style="dim")


def _equal(found: Iterable[Normalised]) -> Iterator[Text]:
    yield Text("\nTreated as equal", style="bold")
    for rule, items in groupby(found, key=lambda each: (each.rule, each.why)):
        yield Text(f"  {rule[0]}: {rule[1]}")
        for each in items:
            values = f"{_short(each.left)} = {_short(each.right)}"
            yield Text(f"    {each.kind} {each.attribute}: {values}: {_named(each.objects)}", style="dim")


def _named(objects: Sequence[str]) -> str:
    shown = ", ".join(objects[:_SHOWN])
    more = len(objects) - _SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
