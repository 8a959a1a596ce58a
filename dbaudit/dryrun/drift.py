"""Differences between a database and its release, as findings that say what they mean for this upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from dbaudit.comparison.findings import label
from dbaudit.comparison.policy import Judgement, Own, Policy, touching
from dbaudit.finding import KEYS_SHOWN, Certainty, Effect, Finding, Severity, Step
from dbaudit.migration.steps import StepFacts
from dbaudit.migration.variants import Variant
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.model import Schema

# How a change is called in ids, seen from the database: left is the release, right the database.
_WORDS = {Change.ADDED: "extra", Change.REMOVED: "missing", Change.CHANGED: "changed"}
_SAY = {Change.ADDED: "is not in {release}", Change.REMOVED: "of {release} is not there"}
_LOOK = "See whether it survives these steps; keep a copy of its definition and its rows."
_REMEDY = {
    Change.ADDED: "Nothing, if the site needs it; keep a copy of its definition and its rows.",
    Change.REMOVED: "Create it as the release has it, before the upgrade.",
    Change.CHANGED: "Change it back to what the release has, unless the site needs it so.",
}


def drift(
    differences: Sequence[Difference], release: str, pending: Sequence[StepFacts], schema: Schema, policy: Policy,
    service: str,
) -> Iterator[Finding]:  # fmt: skip
    """A finding for each object that differs; a note where only a name or an order does, or where the policy says so.

    `differences` go from the release to the database, whose schema it is; `pending` are the steps still to be run.
    """

    def one(each: Difference) -> tuple[object, ...]:
        return each.kind, label(each), each.change

    for _, group in groupby(differences, key=one):
        same = tuple(group)
        steps = tuple(touching(same[0], pending, schema))
        judgement = policy.judge(same[0], service, pending, schema)
        if same[0].harmless:
            yield _note(same[0], release)
        elif judgement is not None and judgement.accepted:
            yield _own(same[0], judgement.own)
        else:
            yield _finding(same, release, steps, judgement)


def _own(each: Difference, own: Own) -> Finding:
    name = label(each)
    return Finding(
        check=_id(each),
        severity=Severity.NOTE,
        effect=Effect.ADVICE,
        object=name,
        message=f"{each.kind} `{name}` is the site's own ({own.owner}): {own.reason}; no pending step touches it",
        keys=(name,),
        facts={"change": _WORDS[each.change], "kind": str(each.kind), "owner": own.owner, "reason": own.reason},
    )


def known_variants(explained: Sequence[tuple[Difference, Variant | None]], release: str) -> Iterator[Finding]:
    """A note for each way in which the schema differs from the reference and is right all the same."""
    by_variant: dict[str, list[str]] = {}
    why = {variant.name: variant.why for _, variant in explained if variant}
    for difference, variant in explained:
        if variant is not None:
            by_variant.setdefault(variant.name, []).append(label(difference))
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


def _finding(
    same: tuple[Difference, ...], release: str, steps: tuple[Step, ...], judgement: Judgement | None
) -> Finding:
    each, name = same[0], label(same[0])
    meaning = f"; pending {_join(steps)} works on it" if steps else "; no pending step touches it"
    ask = f"Ask {judgement.own.owner}, whose it is, before the upgrade. " if judgement else ""
    return Finding(
        check=_id(each),
        severity=Severity.WARNING,
        effect=Effect.DRIFT,
        certainty=Certainty.MAY if steps else Certainty.WILL,
        object=name,
        message=f"{each.kind} `{name}` {', '.join(_what(one, release) for one in same)}{meaning}",
        keys=(name,),
        facts={
            "change": _WORDS[each.change], "kind": str(each.kind), "steps": [str(step) for step in steps],
            "differences": [
                {"attribute": d.attribute, "release": _masked(d.left), "database": _masked(d.right)} for d in same
            ],
        },
        evidence=_evidence(each),
        remedy=ask + (_REMEDY[each.change] if not steps or each.change is not Change.ADDED else _LOOK),
    )  # fmt: skip


def _id(each: Difference) -> str:
    return f"schema.{_WORDS.get(each.change, str(each.change))}-{str(each.kind).replace(' ', '-')}"


def _note(each: Difference, release: str) -> Finding:
    name = label(each)
    return Finding(
        check=_id(each),
        severity=Severity.NOTE,
        effect=Effect.ADVICE,
        object=name,
        message=f"{each.kind} `{name}` is as in {release} but for its {_only(each)}",
        keys=(name,),
        facts={"change": str(each.change), "kind": str(each.kind), "release": each.left, "database": each.right},
    )


def _only(each: Difference) -> str:
    return (
        f"name, which is {each.left or 'the choice of the server'} there" if each.change is Change.RENAMED else "place"
    )


def _what(each: Difference, release: str) -> str:
    if each.change is Change.CHANGED:
        return f"has {each.attribute} {each.right or _absent(each)}, {release} has {each.left or _absent(each)}"
    return _SAY[each.change].format(release=release)


def _absent(each: Difference) -> str:
    return "the default one" if each.attribute in ("charset", "collation", "row_format", "engine") else "none"


def _evidence(each: Difference) -> tuple[str, ...]:
    text = each.right if each.change is Change.ADDED else each.left
    if each.change is Change.CHANGED or not text or each.kind is Kind.TABLE:
        return ()
    return (" ".join((_masked(text) or "").split())[:200],)


def _masked(text: str | None) -> str | None:
    """A definition without the passwords of addresses in it, as FEDERATED tables have them."""
    return None if text is None else re.sub(r"(://[^\s:/@']*):[^\s@']*@", r"\1:***@", text)


def _join(steps: tuple[Step, ...]) -> str:
    return ", ".join(str(step) for step in steps)
