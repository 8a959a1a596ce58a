"""Findings that a site has decided to live with, as `dbaudit.toml` names them; each has a reason, an owner and an end.

    [[waiver]]
    check = "schema.extra-*"          # patterns: * and ? as in file names
    object = "site_*"                 # or step = "cinder:11", or both
    reason = "goes with the next release of billing"
    owner = "billing@example.org"
    expires = 2027-03-31              # the last day on which it holds
    service = "cinder"                # only for this service's databases; may be left out
    database = "cell1"                # only for this database of a plan, by its name there; may be left out

A waived finding stays in the report, marked, and does not count for the verdict. A waiver that has expired waives
nothing and is a warning; one that matches nothing is a note. A step that failed cannot be waived: it did not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase

from dbaudit.errors import DbauditError
from dbaudit.finding import Effect, Finding, Severity, Verdict, Waived, verdict
from dbaudit.result import Basis, Result, Status
from dbaudit.settings import Entry

_KEYS = ("check", "object", "step", "reason", "owner", "expires", "service", "database")
# Findings that say what is wrong with the waivers themselves.
_OWN = "waiver."


@dataclass(frozen=True, slots=True)
class Waiver:
    """One entry. `object` and `step` are patterns, None for any; at least one of them is given."""

    check: str
    object: str | None
    step: str | None
    said: Waived
    service: str | None
    database: str | None
    where: str

    def covers(self, finding: Finding, services: Sequence[str | None]) -> bool:
        """Whether the finding is what the entry means; `services` are those that the finding may be about."""
        if finding.check.startswith(_OWN) or not fnmatchcase(finding.check, self.check):
            return False
        if self.service not in (None, *services) or self.database not in (None, finding.database):
            return False
        if self.object is not None and not fnmatchcase(finding.object, self.object):
            return False
        return self.step is None or (finding.step is not None and fnmatchcase(str(finding.step), self.step))

    @property
    def text(self) -> str:
        """The entry for people."""
        place = ", ".join(each for each in (self.step, self.object) if each)
        return f"{self.check} at {place}"


def read_waiver(entry: Entry) -> Waiver:
    """A waiver from its table. Raises DbauditError that names what is missing."""
    entry.only(*_KEYS)
    hint = "a waiver needs check, object or step, reason, owner and expires"
    thing, step = entry.text("object"), entry.text("step")
    if not thing and not step:
        raise DbauditError(f"{entry.where} has neither object nor step", hint + '; for every object write object = "*"')
    said = Waived(
        entry.needed("reason", hint), entry.needed("owner", hint), entry.day("expires", hint + ": 2027-03-31")
    )
    return Waiver(
        entry.needed("check", hint), thing or None, step or None, said, entry.text("service") or None,
        entry.text("database") or None, entry.where,
    )  # fmt: skip


def waive(result: Result, waivers: Sequence[Waiver], today: date) -> Result:
    """The result with its findings marked, with findings about the waivers, and with the verdict that is left."""
    services = {each.label: each.service for each in result.databases}
    of_all = tuple(services.values())
    relevant = [each for each in waivers if each.service in (None, *of_all) and each.database in (None, *services)]
    valid = [each for each in relevant if each.said.expires >= today]
    findings, used = [], set()
    for finding in result.findings:
        about = (services.get(finding.database),) if finding.database else of_all
        found = next((each for each in valid if each.covers(finding, about)), None)
        if found is not None and not (finding.effect is Effect.BLOCKS and finding.confirmed):
            used.add(found.where)
            finding = replace(finding, waived=found.said)
        findings.append(finding)
    findings += [_expired(each) for each in relevant if each not in valid]
    findings += [_unused(each) for each in valid if each.where not in used]
    return replace(result, findings=tuple(findings), verdict=settled(result, tuple(findings)))


def settled(result: Result, findings: tuple[Finding, ...]) -> Verdict:
    """The verdict with other findings: never better than what the course of the run allows."""
    if any(step.status is Status.FAILED for step in result.steps):
        return Verdict.FAILED
    return max(verdict(findings), _floor(result), key=list(Verdict).index)


def _floor(result: Result) -> Verdict:
    """The best verdict where no finding counts: that of a run that did not do all it was to do is a warning."""
    done = result.basis is Basis.REHEARSED and all(step.status is Status.OK for step in result.steps)
    if result.basis is not None and not done:
        return Verdict.WARNINGS
    return Verdict.CLEAN if verdict(result.findings) is result.verdict else result.verdict


def _expired(waiver: Waiver) -> Finding:
    return Finding(
        check="waiver.expired",
        severity=Severity.WARNING,
        effect=Effect.ADVICE,
        object=waiver.text,
        message=f"the waiver of {waiver.text} expired on {waiver.said.expires}: it waives nothing",
        facts={"where": waiver.where, **waiver.said.as_dict()},
        remedy=f"Ask {waiver.said.owner}: repair what it waived, or decide anew and give it another day.",
    )


def _unused(waiver: Waiver) -> Finding:
    return Finding(
        check="waiver.unused",
        severity=Severity.NOTE,
        effect=Effect.ADVICE,
        object=waiver.text,
        message=f"the waiver of {waiver.text} matches nothing that was found and that can be waived",
        facts={"where": waiver.where, **waiver.said.as_dict()},
        remedy="Take it out of the file if what it waived is gone.",
    )
