"""What can be said before a step runs: drift against the release, collisions and hazards of the pending steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dbaudit.audit import audit, split
from dbaudit.check import Audited, Query
from dbaudit.comparison.policy import Policy
from dbaudit.dryrun.drift import drift, known_variants
from dbaudit.dryrun.inspection import Inspection, standing_findings, unread
from dbaudit.errors import UsageError
from dbaudit.finding import Finding, Skipped, step
from dbaudit.migration.catalogue import Catalogue, load_catalogue, reference, reference_at
from dbaudit.migration.steps import StepFacts
from dbaudit.migration.structure import stages
from dbaudit.migration.variants import explain
from dbaudit.release import Release
from dbaudit.result import StepResult
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Schema


@dataclass(frozen=True)
class Prediction:
    """Findings and skips before any step, and the pending steps in order; `known` says that the catalogue has them."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    pending: tuple[StepFacts, ...]
    known: bool

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """The pending steps as a report lists them, none run yet."""
        return tuple(StepResult(step(s.repository, s.number), s.title) for s in self.pending)


def check_direction(inspection: Inspection, target: Release) -> None:
    """Raise UsageError for a downgrade: migrations only go forward."""
    at = inspection.standing.release
    if at is not None and target < at:
        raise UsageError(
            f"{inspection.operand} is {inspection.standing.service} {at}, and {target} is before it",
            "a database cannot be taken back by migrations; name a later release with --to",
        )


def predict(
    inspection: Inspection,
    target: Release,
    *,
    charset: str | None,
    query: Query | None,
    policy: Policy = Policy(),
) -> Prediction:
    """Everything that is told of an upgrade before it runs.

    `charset` is the database's default where the dump does not tell it, `policy` says what is the site's own, `query`
    reads rows of the restored copy.
    """
    service, numbers = inspection.standing.service, inspection.standing.numbers
    schema = inspection.schema
    if schema.charset is None and charset is not None:
        schema = replace(schema, charset=charset, collation=None)
    skipped = [*unread(inspection), *_not_known(inspection, target)]
    pending = _pending(inspection, target)
    findings = [*standing_findings(inspection)]
    if service is not None:
        differs, unsaid = schema_findings(service, inspection.standing.release, numbers, schema, pending or (), policy)
        findings += differs
        skipped += unsaid
        audited = Audited(
            service, schema, inspection.standing.release, target, query, stages(schema, pending or ()), inspection.rows
        )
        found, not_made = split(audit(audited))
        findings += found
        skipped += not_made
    return Prediction(tuple(findings), tuple(skipped), pending or (), pending is not None)


def schema_findings(
    service: str,
    at: Release | None,
    numbers: Mapping[str, int],
    schema: Schema,
    pending: tuple[StepFacts, ...],
    policy: Policy,
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """How a schema differs from the reference of its migration numbers, known variants left out."""
    standard = reference_at(service, numbers) if numbers else None
    if standard is None and at is not None:
        standard = reference(service, at)
    if standard is None or at is None:
        return (), (Skipped("schema.drift", f"there is no reference of {service} {at or 'at these versions'}"),)
    # The default charset of the database is what hazards look at; where a dump tells it, it is the site's to choose.
    plain = replace(standard, charset=None, collation=None)
    differences = explain(service, at, diff(plain, replace(schema, charset=None, collation=None)))
    real = [difference for difference, variant in differences if variant is None]
    return (*drift(real, at.name, pending, schema, policy, service), *known_variants(differences, at.name)), ()


def _pending(inspection: Inspection, target: Release) -> tuple[StepFacts, ...] | None:
    """The steps between the database and the target, in order; None where no catalogue has the way."""
    standing = inspection.standing
    catalogue = load_catalogue(standing.service) if standing.service else None
    if catalogue is None or not _covered(catalogue, inspection, target):
        return None
    return catalogue.pending(standing.numbers, target)


def _covered(catalogue: Catalogue, inspection: Inspection, target: Release) -> bool:
    numbers = inspection.standing.numbers
    return bool(numbers) and catalogue.covers(numbers) and target <= catalogue.last


def _not_known(inspection: Inspection, target: Release) -> Iterator[Skipped]:
    standing = inspection.standing
    if standing.service is None:
        yield Skipped("step.catalogue", "the tables are those of no service that dbaudit knows: nothing is predicted")
        return
    catalogue = load_catalogue(standing.service)
    if catalogue is None:
        yield Skipped(
            "step.catalogue", f"there is no step catalogue of {standing.service}: its steps are not predicted"
        )
    elif not standing.numbers and not standing.said.revisions:
        yield Skipped("step.catalogue", "the database does not say its version: what is pending is not known")
    elif not _covered(catalogue, inspection, target):
        span = f"{catalogue.first} to {catalogue.last}"
        at = ", ".join(f"{name} {number}" for name, number in standing.versions.items())
        way = f"not the way from {at} to {target}"
        yield Skipped("step.catalogue", f"the step catalogue of {standing.service} covers {span}, {way}")
