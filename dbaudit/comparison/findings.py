"""A comparison as the result that reports print: a finding for each object that differs, notes for what may differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from dbaudit.comparison.compare import Comparison, Judged
from dbaudit.comparison.normalised import Normalised
from dbaudit.comparison.side import Fault, Side
from dbaudit.finding import KEYS_SHOWN, Effect, Finding, Severity, verdict
from dbaudit.result import DatabaseResult, Result
from dbaudit.schema.difference import Change, Difference, Kind


def result(comparison: Comparison) -> Result:
    """The envelope of `dbaudit diff`."""
    findings = tuple(_findings(comparison))
    return Result(
        command="diff",
        verdict=verdict(findings),
        databases=(_database(comparison.left), _database(comparison.right)),
        findings=findings,
        notes=comparison.notes,
        extra=_extra(comparison),
    )


def label(each: Difference) -> str:
    """`volumes`, `volumes.site_pool`, or `volumes: FOREIGN KEY ...` for a key that the server named."""
    if each.table is None or each.kind is Kind.TABLE:
        return each.name or str(each.kind)
    return f"{each.table}.{each.name}" if each.name else f"{each.table}: {each.left or each.right}"


def sentence(each: Difference) -> str:
    """One difference in words, from the left to the right side."""
    if each.change in (Change.ADDED, Change.REMOVED):
        return f"is only on the {'right' if each.change is Change.ADDED else 'left'} side"
    if each.change is Change.REORDERED:
        return "has its columns in another order"
    if each.change is Change.RENAMED:
        return (
            f"is called {each.left or '(by the server)'} on the left and {each.right or '(by the server)'} on the right"
        )
    if each.attribute == "unsupported":
        return f"cannot be compared whole: left {each.left or 'is read'}; right {each.right or 'is read'}"
    return f"has {each.attribute} {each.left or 'none'} on the left and {each.right or 'none'} on the right"


def _findings(comparison: Comparison) -> Iterator[Finding]:
    for side, which in ((comparison.left, "left"), (comparison.right, "right")):
        yield from (_fault(fault, which) for fault in side.faults)

    def same(each: Judged) -> tuple[object, ...]:
        difference = each.difference
        return difference.kind, label(difference), difference.change, each.note

    for _, group in groupby(comparison.judged, key=same):
        yield _finding(tuple(group))


def _fault(fault: Fault, which: str) -> Finding:
    place = fault.place
    return Finding(
        check=f"diff.{fault.id}",
        severity=Severity.WARNING if fault.hides else Severity.NOTE,
        effect=Effect.DRIFT if fault.hides else Effect.ADVICE,
        object=fault.object,
        message=f"{fault.message} ({which} side)",
        facts={"side": which} | ({"file": place.file, "byte": place.offset, "line": place.line} if place else {}),
        evidence=(str(place),) if place else (),
        remedy="Restore it somewhere and compare the live database, which needs no reading of text."
        if fault.hides
        else "",
    )


def _finding(group: tuple[Judged, ...]) -> Finding:
    first = group[0].difference
    name = label(first)
    said = ", ".join(dict.fromkeys(sentence(each.difference) for each in group))
    judgement = group[0].judgement
    steps = tuple(str(step) for step in judgement.steps) if judgement else ()
    return Finding(
        check=f"schema.{first.change}-{str(first.kind).replace(' ', '-')}",
        severity=Severity.NOTE if group[0].note else Severity.WARNING,
        effect=Effect.ADVICE if group[0].note else Effect.DRIFT,
        object=name,
        message=f"{first.kind} `{name}` {said}{_why(group[0])}",
        keys=(name,),
        facts={
            "change": str(first.change), "kind": str(first.kind), "table": first.table, "steps": list(steps),
            "differences": [_as_dict(each) for each in group[:KEYS_SHOWN]],
        },
        remedy=f"Ask {judgement.own.owner} before the upgrade: pending {', '.join(steps)} works on it."
        if judgement and steps
        else "",
    )  # fmt: skip


def _why(judged: Judged) -> str:
    if judged.variant is not None:
        return f"; a known variant: {judged.variant.why}"
    if judged.judgement is not None:
        own = judged.judgement.own
        return f"; the site's own ({own.owner}): {own.reason}"
    return ""


def _as_dict(judged: Judged) -> dict[str, Any]:
    each, judgement = judged.difference, judged.judgement
    return {
        "change": str(each.change), "kind": str(each.kind), "table": each.table, "name": each.name,
        "attribute": each.attribute, "left": each.left, "right": each.right, "note": judged.note,
        "variant": judged.variant.name if judged.variant else None,
        "own": {"reason": judgement.own.reason, "owner": judgement.own.owner} if judgement else None,
        "steps": [str(step) for step in judgement.steps] if judgement else [],
    }  # fmt: skip


def _extra(comparison: Comparison) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "differences": [_as_dict(each) for each in comparison.judged],
        "rename_candidates": [each.as_dict() for each in comparison.renames],
    }
    if comparison.equal is not None:
        extra["normalised"] = [_normalised(each) for each in comparison.equal]
    return extra


def _normalised(each: Normalised) -> dict[str, Any]:
    return {
        "rule": each.rule, "why": each.why, "kind": each.kind, "attribute": each.attribute, "left": each.left,
        "right": each.right, "count": len(each.objects), "objects": list(each.objects[:KEYS_SHOWN]),
    }  # fmt: skip


def _database(side: Side) -> DatabaseResult:
    return DatabaseResult(
        name=side.schema.name,
        operand=side.operand,
        service=side.service,
        release=side.release.name if side.release else None,
        version=_version(side),
        server=side.server,
        complete=side.complete,
        tables=len(side.schema.tables),
        bytes=side.bytes,
    )


def _version(side: Side) -> dict[str, int | str]:
    if side.versions.revisions:
        return {side.service or "alembic": ", ".join(side.versions.revisions)}
    return dict(side.versions.numbers)
