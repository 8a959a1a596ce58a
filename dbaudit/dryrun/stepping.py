"""Run the pending steps for real, one at a time, and look at the database after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dbaudit.dryrun.course import Manifests
from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Finding, Skipped, Step
from dbaudit.migration.observation import Observer
from dbaudit.migration.runner import Runner, RunStep, StepOutcome
from dbaudit.progress import Progress, Watch
from dbaudit.proof.witness import Witness
from dbaudit.record import StepRecord
from dbaudit.result import Status, StepResult


@dataclass(frozen=True)
class Onlookers:
    """Who looks on while steps run: what is observed of each, and the proof of losses. None where nobody shall."""

    observer: Observer | None = None
    witness: Witness | None = None
    manifests: Manifests = Manifests.TOUCHED
    unseen: list[Skipped] = field(default_factory=list)

    def look(self, step: Step, record: StepRecord | None) -> None:
        """Look at the data after a step, as was asked."""
        if self.witness is None or self.manifests in (Manifests.ENDS, Manifests.OFF):
            return
        touched = record.touched if record and self.manifests is Manifests.TOUCHED else None
        try:
            self.witness.after(step, touched)
        except DbauditError as error:
            self.unseen.append(Skipped("proof.losses", f"after {step} the data could not be read: {error.what}"))

    def losses(self) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
        """What was lost from the first step to the last, and what could not be told."""
        if self.witness is None:
            return (), (Skipped("proof.losses", "the data was not compared (--manifest off): losses are not known"),)
        try:
            found = self.witness.conclude()
        except DbauditError as error:
            reason = f"after the last step the data could not be read: {error.what}"
            return (), (*self.unseen, Skipped("proof.losses", reason))
        return found.findings, (*self.unseen, *found.skipped)


def run(runner: Runner, steps: Sequence[RunStep], onlookers: Onlookers, watch: Watch) -> Iterator[StepResult]:
    """Run steps until one fails; the rest is not run."""
    failed = False
    for number, step in enumerate(steps):
        if failed:
            yield StepResult(step.step, step.title)
            continue
        watch(Progress("step", number, len(steps), "steps", str(step.step)))
        result = _run_one(runner, step, onlookers)
        failed = result.status is Status.FAILED
        yield result
    watch(Progress("step", len(steps), len(steps), "steps"))


def _run_one(runner: Runner, step: RunStep, onlookers: Onlookers) -> StepResult:
    observer = onlookers.observer
    try:
        if observer is None:
            outcome, record = runner.run(step), None
        else:
            with observer.watching() as observed:
                outcome = runner.run(step)
            record = observed.record(outcome.seconds, outcome.warnings)
    except UsageError:
        raise
    except DbauditError as error:  # the server died, or the database is gone: that is this step's doing
        return StepResult(step.step, step.title, Status.FAILED, error=error.what)
    onlookers.look(step.step, record)
    return replace(_result(step, outcome), record=record)


def _result(step: RunStep, outcome: StepOutcome) -> StepResult:
    return StepResult(
        step.step, step.title, outcome.status, outcome.seconds, outcome.error, outcome.revisions, str(outcome.output)
    )
