"""Run the pending steps for real, one at a time, and hold what happened against what was predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbaudit.dryrun.request import RunnerRequest
from dbaudit.errors import UsageError
from dbaudit.finding import Effect, Finding, Severity, Skipped
from dbaudit.migration import preset
from dbaudit.migration.alembic_runner import AlembicRunner, find_project, project_in_image
from dbaudit.migration.catalogue import Catalogue, load_catalogue
from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.confine import Network
from dbaudit.migration.preset import is_preset, preset_for
from dbaudit.migration.preset_runner import PresetRunner, find_tool, tool_in_image
from dbaudit.migration.reference_runner import ReferenceRunner
from dbaudit.migration.runner import STALL_LIMIT, STEP_LIMIT, Runner, RunStep, Target, version_step
from dbaudit.migration.sql_runner import SqlRunner
from dbaudit.migration.steps import StepFacts
from dbaudit.migration.tool import Surroundings
from dbaudit.release import Release, release
from dbaudit.result import Basis, Status, StepResult

# How runners are written on the command line.
KINDS = "command:TOOL, command:TEMPLATE, alembic:INI, sql:DIR and reference"
# From here on every service sets sql_mode TRADITIONAL by itself (oslo.db; keystone and glance a release earlier).
_TRADITIONAL_SINCE = {"keystone": "icehouse", "glance": "icehouse"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be stepped: the main repository's pending steps, and where they stand."""

    service: str
    pending: tuple[StepFacts, ...]
    version: int | None
    target: Release


@contextmanager
def runner_for(
    request: RunnerRequest, plan: Plan, target: Target, environment: Mapping[str, str]
) -> Iterator[tuple[Runner, tuple[RunStep, ...]]]:
    """The runner that a request names, and the steps that it is to run, in order. UsageError for another kind."""
    kind, _, rest = request.spec.partition(":")
    how = Surroundings(
        environment, Network.ALLOWED if request.allow_network else Network.REFUSED, request.driver,
        request.limit or STEP_LIMIT, STALL_LIMIT if request.stall is None else request.stall, request.variables,
        request.image,
    )  # fmt: skip
    if kind == "sql" and rest:
        mode = sql_mode(plan.service, plan.target)
        with SqlRunner(Path(rest), target, sql_mode=mode, limit=how.limit, stall=how.stall) as runner:
            last = plan.pending[-1].number if plan.pending else None
            yield runner, runner.pending(plan.version, last)
    elif kind == "command" and is_preset(rest):
        path = environment.get("PATH", "")
        installed = tool_in_image(rest) if request.image else find_tool(rest, request.venv, path)
        with PresetRunner(preset_for(rest, plan.service), installed, target, how, request.phases) as known:
            yield known, known.pending([version_step(s.repository, s.number, s.title) for s in _own(plan)])
    elif kind == "command" and rest:
        with CommandRunner(Command(rest, how, request.phases, request.probe), target) as tool:
            yield tool, tool.phases or tuple(version_step(s.repository, s.number, s.title) for s in _own(plan))
    elif kind == "alembic" and rest:
        phases = request.phases
        found = project_in_image(rest, phases) if request.image else find_project(rest, request.venv, phases)
        with AlembicRunner(found, target, how) as project:
            yield project, project.pending()
    elif request.spec == "reference":
        mode = sql_mode(plan.service, plan.target)
        with ReferenceRunner(_known(plan), plan.pending, target, mode, limit=how.limit, stall=how.stall) as structure:
            yield structure, structure.pending()
    else:
        raise UsageError(f"unknown runner {request.spec!r}", f"runners: {KINDS}")


def service_of(request: RunnerRequest) -> str | None:
    """The service that a runner is of, where its tool tells: for a database by whose tables that is not known."""
    kind, _, rest = request.spec.partition(":")
    return preset.service_of(rest) if kind == "command" else None


def _known(plan: Plan) -> Catalogue:
    """The catalogue of a plan's service. Raises UsageError where it does not have the way to the target."""
    catalogue = load_catalogue(plan.service)
    if catalogue is None or not plan.pending:
        raise UsageError(
            f"the reference runner knows no steps of {plan.service} from here to {plan.target}",
            "it takes them from the shipped step catalogues (Grizzly to Kilo); --pack adds your own (catalogue build)",
        )
    return catalogue


def _own(plan: Plan) -> Iterator[StepFacts]:
    """The steps of the service's main repository, which is what a tool's {version} counts."""
    return (step for step in plan.pending if step.repository == plan.service)


def sql_mode(service: str, target: Release) -> str | None:
    """The sql_mode in which the target release's own tool runs its steps; None is the server's default."""
    return "TRADITIONAL" if target >= release(_TRADITIONAL_SINCE.get(service, "juno")) else None


def unrehearsed(runner: Runner) -> Iterator[Skipped]:
    """What a runner left out: the work on rows of steps whose structure alone was applied."""
    if isinstance(runner, ReferenceRunner):
        names = ", ".join(step.id for step in runner.row_work)
        yield Skipped(
            "dry-run.data-migrations",
            "data migrations were not run: only the structure of each step was applied, from the step catalogue. Steps "
            f"whose scripts change rows too: {names or 'none'}. What becomes of rows, and how long, is not told",
        )


def merged(listed: Sequence[StepResult], ran: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """Every pending step in order: as it ran, or as not run; then those that only the runner knew."""
    by_step = {result.step: result for result in ran}
    known = {result.step for result in listed}
    return (
        *(by_step.get(result.step, result) for result in listed),
        *(result for result in ran if result.step not in known),
    )


def proved(findings: Sequence[Finding], seen: Sequence[Finding]) -> tuple[Finding, ...]:
    """Predicted losses, confirmed where a loss from the same table by the same step was seen.

    One that was not seen keeps None: what the proof calls a loss is narrower than what a person may miss.
    """
    lost = {(each.step, each.object.partition(".")[0]) for each in seen if each.effect is Effect.LOSES and each.step}
    return tuple(
        each.confirm(True)
        if each.effect is Effect.LOSES and (each.step, each.object.partition(".")[0]) in lost
        else each
        for each in findings
    )


def confirmed(
    findings: Sequence[Finding], steps: Sequence[StepResult], basis: Basis = Basis.REHEARSED
) -> Iterator[Finding]:
    """Predictions marked by what their steps did, and a finding for each failure that nobody predicted.

    Only a prediction that a step fails is proved by its passing or failing; the others keep None. Where only the
    structure was rehearsed, a step that passes disproves nothing: its work on rows was not done.
    """
    proving = (Status.FAILED,) if basis is Basis.STRUCTURE else (Status.OK, Status.FAILED)
    status = {step.step: step.status for step in steps}
    predicted = set()
    for finding in findings:
        ran = status.get(finding.step) if finding.step else None
        if finding.effect is Effect.BLOCKS and ran in proving:
            predicted.add(finding.step)
            yield finding.confirm(ran is Status.FAILED)
        else:
            yield finding
    for step in steps:
        if step.status is Status.FAILED and step.step not in predicted:
            yield Finding(
                check="dry-run.step-failed",
                severity=Severity.ERROR,
                effect=Effect.BLOCKS,
                object=str(step.step),
                message=f"{step.step} ({step.title}) failed: {step.error}",
                step=step.step,
                confirmed=True,
                keys=(str(step.step),),
                remedy=f"Read what it printed in {step.output}, repair the cause and run the dry-run again.",
            )
