"""The dry-run, stage by stage: inspect, serve, restore, predict, step, audit, verdict.

Every stage takes what the one before it gave. Whatever was started is stopped when this returns or raises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dbaudit.dryrun import rehearsal
from dbaudit.dryrun.afterwards import Afterwards, keep, put_away, time_rollback
from dbaudit.dryrun.course import Course, Manifests
from dbaudit.dryrun.inspection import Inspection, inspect_one, notes, plural_of
from dbaudit.dryrun.judging import judge
from dbaudit.dryrun.prediction import Prediction, check_direction, predict, schema_findings
from dbaudit.dryrun.request import Request, RunnerRequest
from dbaudit.dryrun.restoration import UNNAMED, Copy, origin_of, restored_copy, unlike
from dbaudit.dryrun.rows import reader
from dbaudit.dryrun.scratch import scratch
from dbaudit.dryrun.stepping import Onlookers, Stepping
from dbaudit.errors import DbauditError
from dbaudit.finding import Effect, Finding, Skipped, Verdict, verdict
from dbaudit.migration.door import Door
from dbaudit.migration.endpoints import rewrite_endpoints
from dbaudit.migration.observation import Observer
from dbaudit.migration.runner import Target
from dbaudit.production.conditions import read_conditions
from dbaudit.production.estimate import estimate
from dbaudit.progress import Watch
from dbaudit.proof.measure import Place
from dbaudit.proof.witness import Witness
from dbaudit.result import Basis, Result, Status, StepResult
from dbaudit.schema.read import read_live
from dbaudit.server.place import Places

_ORDER = {Effect.BLOCKS: 0, Effect.LOSES: 1, Effect.SLOW: 2, Effect.DRIFT: 3, Effect.ADVICE: 4}


@dataclass(frozen=True)
class Rehearsal:
    """What the runner did: every step that ran, findings of its own, and sentences for people."""

    steps: tuple[StepResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    basis: Basis = Basis.REHEARSED


def dry_run(request: Request, places: Places, environment: Mapping[str, str], watch: Watch) -> Result:
    """Rehearse the upgrade that a request describes.

    Raises DbauditError for input that cannot be read, a server that does not start, a downgrade, an unsafe runner.
    """
    with scratch(places) as space:
        inspection = inspect_one(request.operand, space, database=request.database, watch=watch)
        check_direction(inspection, request.target)
        with restored_copy(request, inspection, places, space, watch) as copy:
            with reader(copy.server, copy.account, copy.database) as query:
                prediction = predict(
                    inspection, request.target, charset=request.database_charset, policy=request.policy, query=query
                )
            ran = Rehearsal()
            if request.runner is not None:
                ran = _rehearse(request, request.runner, inspection, copy, prediction, space, environment, watch)
            concluded = _conclude(request, inspection, copy, prediction, ran)
            result = _estimated(request, inspection, copy, concluded)
            for each in _afterwards(request, inspection, copy, watch):
                result = replace(result, notes=(*result.notes, *each.notes), extra={**result.extra, **each.extra})
            return judge(result, request.policy, request.today)


def _afterwards(request: Request, inspection: Inspection, copy: Copy, watch: Watch) -> Iterator[Afterwards]:
    """What was asked for beside the report. The server is kept last: from then on it is not ours to end."""
    if request.course.rollback:
        yield time_rollback(copy.server, inspection.index, inspection.entry.name, request.workers, watch)
    if request.course.keep:
        yield keep(copy.server, copy.database)


def _rehearse(
    request: Request, asked: RunnerRequest, inspection: Inspection, copy: Copy, prediction: Prediction, space: Path,
    environment: Mapping[str, str], watch: Watch,
) -> Rehearsal:  # fmt: skip
    """Make addresses in the data harmless, prove the runner, run its steps, look at what came of them."""
    standing = inspection.standing
    service = standing.service or rehearsal.service_of(asked) or "database"
    directory = space / "runner"
    directory.mkdir(mode=0o700)
    with Door(copy.server, directory) as door:
        names = {inspection.entry.name or UNNAMED: copy.database}
        names |= {each.database: each.database for each in copy.siblings}
        rewritten = rewrite_endpoints(copy.server, names, lambda schema: door.url(copy.account, schema))
    others = {each.service: each.database for each in copy.siblings if each.service and each.service != service}
    target = Target(copy.server, copy.account, copy.database, service, directory, others)
    plan = rehearsal.Plan(service, prediction.pending, standing.numbers.get(service), request.target)
    with rehearsal.runner_for(asked, plan, target, environment) as (runner, steps):
        proof = runner.prove(watch)
        course = request.course
        if runner.basis is Basis.STRUCTURE:  # what becomes of rows is not rehearsed, so nothing can be said of it
            course = replace(course, manifests=Manifests.OFF)
        with _onlookers(course, inspection, copy, prediction, watch) as onlookers:
            facts = {step.id: step for step in prediction.pending}
            stepping = Stepping(runner, target, course, onlookers, facts)
            ran = tuple(stepping.run(steps, watch))
            lost, unseen = onlookers.losses()
    findings, skipped = _aftermath(request, inspection, copy, prediction, ran)
    return Rehearsal(
        put_away(ran, asked.output),
        (*unlike(inspection, copy), *findings, *lost),
        (*skipped, *unseen, *rehearsal.unrehearsed(runner)),
        (proof, *stepping.notes, *(str(each) for each in rewritten)),
        runner.basis,
    )


@contextlib.contextmanager
def _onlookers(
    course: Course, inspection: Inspection, copy: Copy, prediction: Prediction, watch: Watch
) -> Iterator[Onlookers]:
    """Who looks on while the steps run: the manifest before them is taken here."""
    standing = inspection.standing
    witness = None
    if course.manifests is not Manifests.OFF:
        release = standing.release.name if standing.release else None
        place = Place(inspection.operand, standing.service, release, standing.versions)
        witness = Witness(
            lambda: copy.server.connect(copy.account), copy.database, place, steps=prediction.pending, watch=watch
        )
    with contextlib.ExitStack() as stack:
        observer = None
        if course.observe:
            observer = stack.enter_context(Observer(copy.server, copy.account, copy.database))
        yield Onlookers(observer, witness, course.manifests)


def _aftermath(
    request: Request, inspection: Inspection, copy: Copy, prediction: Prediction, ran: tuple[StepResult, ...]
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """How the schema differs from the target release after the last step, beyond what differed before."""
    service = inspection.standing.service
    if service is None or not ran or any(step.status is not Status.OK for step in ran) or not prediction.known:
        return (), ()
    try:
        with contextlib.closing(copy.server.connect(copy.account, copy.database)) as connection:
            schema = read_live(connection, copy.database)
    except DbauditError as error:
        return (), (Skipped("schema.drift", f"after the last step the schema could not be read: {error.what}"),)
    reached = dict(inspection.standing.numbers)
    reached |= {step.repository: step.number for step in prediction.pending}
    findings, skipped = schema_findings(service, request.target, reached, schema, (), request.policy)
    before = {(finding.check, finding.object) for finding in prediction.findings}
    return tuple(finding for finding in findings if (finding.check, finding.object) not in before), skipped


def _conclude(request: Request, inspection: Inspection, copy: Copy, prediction: Prediction, ran: Rehearsal) -> Result:
    steps = rehearsal.merged(prediction.steps, ran.steps)
    predicted = rehearsal.proved(prediction.findings, ran.findings)
    findings = tuple(rehearsal.confirmed(predicted, steps, ran.basis)) + ran.findings
    place = {step.step: number for number, step in enumerate(steps)}
    findings = tuple(
        sorted(findings, key=lambda f: (_ORDER[f.effect], place.get(f.step, len(steps)) if f.step else len(steps)))
    )
    rehearsed = any(step.status is not Status.NOT_RUN for step in steps)
    said = verdict(findings)
    whole = rehearsed and all(step.status is Status.OK for step in steps)
    unproved = any(skip.check == "proof.losses" for skip in ran.skipped)
    if said is Verdict.CLEAN and (not whole or unproved or ran.basis is not Basis.REHEARSED):
        said = Verdict.WARNINGS  # a prediction proves nothing, and structure alone says nothing of rows
    return Result(
        command="dry-run",
        verdict=said,
        target=request.target.name,
        basis=ran.basis if rehearsed else Basis.PREDICTED,
        rehearsed_on=copy.server.version.short,
        databases=(inspection.result,),
        findings=findings,
        skipped=(*prediction.skipped, *ran.skipped),
        steps=steps,
        notes=(*_notes(inspection, copy), *ran.notes),
    )


def _estimated(request: Request, inspection: Inspection, copy: Copy, result: Result) -> Result:
    """The result with what its times were taken on, and at production's size where something is known of that."""
    with contextlib.closing(copy.server.admin()) as connection:
        here = read_conditions(connection)
    local = copy.server.directory is not None
    result = replace(result, extra={**result.extra, "rehearsed_with": here.as_dict(here=local)})
    if request.production is None:
        return result
    return estimate(result, inspection.rows, request.production, here, origin_of(inspection))


def _notes(inspection: Inspection, copy: Copy) -> Iterator[str]:
    restored = copy.restored
    yield from notes(inspection)
    yield (
        f"restored into a {copy.server.label} in {restored.seconds:.1f} s: {plural_of(restored.tables, 'tables')}, "
        f"{restored.rows:,} rows, as many as the dump holds"
    )
    yield from (str(each) for each in copy.siblings)
    yield from restored.rewritten
    for refused in restored.refused:
        yield f"not loaded, at byte {refused.offset}: {refused.statement} ({refused.reason})"
