"""Differences between a database and its release, as findings that say what they mean for this upgrade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from dbaudit.finding import KEYS_SHOWN, Certainty, Effect, Finding, Severity, Step
from dbaudit.finding import step as step_id
from dbaudit.migration.steps import StepFacts
from dbaudit.migration.variants import Variant
from dbaudit.schema.difference import Change, Difference, Kind

# How a change is called in ids, seen from the database: left is the release, right the database.
_WORDS = {Change.ADDED: "extra", Change.REMOVED: "missing", Change.CHANGED: "changed"}
_SAY = {Change.ADDED: "is not in {release}", Change.REMOVED: "of {release} is not there"}
_REMEDY = {
    Change.ADDED: "Nothing, if the site needs it; keep a copy of its definition and its rows.",
    Change.REMOVED: "Create it as the release has it, before the upgrade.",
    Change.CHANGED: "Change it back to what the release has, unless the site needs it so.",
}


def drift(differences: Sequence[Difference], release: str, pending: Sequence[StepFacts]) -> Iterator[Finding]:
    """A finding for each object that differs; a note where only a name or an order does.

    `differences` go from the release to the database; `pending` are the steps still to be run.
    """

    def one(each: Difference) -> tuple[object, ...]:
        return each.kind, each.table, each.name or each.left or each.right, each.change

    for _, group in groupby(differences, key=one):
        same = tuple(group)
        steps = tuple(_touching(same[0], pending))
        yield _note(same[0], release) if same[0].harmless else _finding(same, release, steps)


def known_variants(explained: Sequence[tuple[Difference, Variant | None]], release: str) -> Iterator[Finding]:
    """A note for each way in which the schema differs from the reference and is right all the same."""
    by_variant: dict[str, list[str]] = {}
    why = {variant.name: variant.why for _, variant in explained if variant}
    for difference, variant in explained:
        if variant is not None:
            by_variant.setdefault(variant.name, []).append(_label(difference))
    for name, labels in sorted(by_variant.items()):
        yield Finding(
            check="schema.known-variant",
            severity=Severity.NOTE,
            effect=Effect.ADVICE,
            object=name,
            message=f"{len(labels)} object(s) differ from {release} as they may: {why[name]}",
            count=len(labels),
            keys=tuple(labels[:KEYS_SHOWN]),
            facts={"release": release},
        )


def _finding(same: tuple[Difference, ...], release: str, steps: tuple[Step, ...]) -> Finding:
    each = same[0]
    label = _label(each)
    meaning = f"; pending {_join(steps)} works on it" if steps else "; no pending step touches it"
    return Finding(
        check=f"schema.{_WORDS[each.change]}-{str(each.kind).replace(' ', '-')}",
        severity=Severity.WARNING,
        effect=Effect.DRIFT,
        certainty=Certainty.MAY if steps else Certainty.WILL,
        object=label,
        message=f"{each.kind} `{label}` {', '.join(_what(one, release) for one in same)}{meaning}",
        keys=(label,),
        facts={
            "change": _WORDS[each.change], "kind": str(each.kind), "steps": [str(step) for step in steps],
            "differences": [{"attribute": d.attribute, "release": d.left, "database": d.right} for d in same],
        },
        evidence=_evidence(each),
        remedy=_REMEDY[each.change],
    )  # fmt: skip


def _note(each: Difference, release: str) -> Finding:
    label = _label(each)
    return Finding(
        check=f"schema.{each.change}-{str(each.kind).replace(' ', '-')}",
        severity=Severity.NOTE,
        effect=Effect.ADVICE,
        object=label,
        message=f"{each.kind} `{label}` is as in {release} but for its {_only(each)}",
        keys=(label,),
        facts={"change": str(each.change), "kind": str(each.kind), "release": each.left, "database": each.right},
    )


def _only(each: Difference) -> str:
    return f"name, which is {each.left} there" if each.change is Change.RENAMED else "place"


def _label(each: Difference) -> str:
    """`volumes`, `volumes.site_pool`, or `volumes(a, b)` for a key that the server named."""
    if each.kind is Kind.TABLE or each.table is None:
        return each.name or str(each.kind)
    return f"{each.table}.{each.name}" if each.name else f"{each.table}: {each.left or each.right}"


def _what(each: Difference, release: str) -> str:
    if each.change is Change.CHANGED:
        return f"has {each.attribute} {each.right or 'none'}, {release} has {each.left or 'none'}"
    return _SAY[each.change].format(release=release)


def _evidence(each: Difference) -> tuple[str, ...]:
    text = each.right if each.change is Change.ADDED else each.left
    if each.change is Change.CHANGED or not text or each.kind is Kind.TABLE:
        return ()
    return (" ".join(text.split())[:200],)


def _touching(each: Difference, pending: Sequence[StepFacts]) -> Iterator[Step]:
    """The pending steps whose statements name this object, or its whole table where the table is what differs."""
    for facts in pending:
        for work in facts.work:
            table = each.table or (each.name if each.kind is Kind.TABLE else None)
            whole = each.kind is Kind.TABLE and work.action != "rows"
            if work.table == table and (whole or (work.name == each.name and each.name)):
                yield step_id(facts.repository, facts.number)
                break


def _join(steps: tuple[Step, ...]) -> str:
    return ", ".join(str(step) for step in steps)
