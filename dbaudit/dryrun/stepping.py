"""Run the pending steps for real, one at a time, and look at the database after each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dbaudit.dryrun.course import Course, Manifests
from dbaudit.dryrun.failing import TRIED, find_failure
from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Finding, Skipped, Step
from dbaudit.migration.marking import mark_done
from dbaudit.migration.observation import Observer
from dbaudit.migration.runner import Runner, RunStep, StepOutcome, Target
from dbaudit.migration.steps import StepFacts
from dbaudit.progress import Progress, Watch
from dbaudit.proof.witness import Witness
from dbaudit.record import Failure, StepRecord
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


@dataclass(frozen=True)
class Stepping:
    """What is stepped: the runner, its target, the course, who looks on, and the facts of steps by their names."""

    runner: Runner
    target: Target
    course: Course
    onlookers: Onlookers
    facts: Mapping[str, StepFacts]
    notes: list[str] = field(default_factory=list)

    def run(self, steps: Sequence[RunStep], watch: Watch) -> Iterator[StepResult]:
        """Run steps until one fails, and further where the course says so; the rest is not run."""
        first = self._begin(steps)
        stopped = False
        for number, step in enumerate(steps):
            if number < first or stopped:
                yield StepResult(step.step, step.title)
                continue
            watch(Progress("step", number, len(steps), "steps", str(step.step)))
            result = self._run_one(step)
            if result.status is Status.FAILED:
                stopped = not self._goes_on(step, result)
            yield result
        watch(Progress("step", len(steps), len(steps), "steps"))

    def _begin(self, steps: Sequence[RunStep]) -> int:
        """The place of the first step to run; the database is made to stand before it."""
        wanted, names = self.course.restart_at, [str(step.step) for step in steps]
        for name in (wanted, *(each for each in self.course.continue_after if each != "all")):
            if name is not None and name not in names:
                raise UsageError(f"{name} is none of the pending steps", f"they are {', '.join(names) or 'none'}")
        first = names.index(wanted) if wanted else 0
        if first:
            done = mark_done(self.target.server, self.target.database, steps[first - 1])
            self.notes.append(
                f"begun at {wanted}, as --restart-at asks: {done}; the {first} pending step(s) before it were left "
                "out, so that what it worked on may not be what an upgrade would find"
            )
        return first

    def _goes_on(self, step: RunStep, result: StepResult) -> bool:
        if result.failure and result.failure.by == TRIED and result.failure.retry:
            self.notes.append(f"{step.step} failed and passed when it was run again: the next steps were run")
            return True
        if not self.course.continues(step.step):
            return False
        try:
            done = mark_done(self.target.server, self.target.database, step)
        except DbauditError as error:
            self.notes.append(f"the steps after {step.step} were not run: {error.what}")
            return False
        self.notes.append(
            f"{step.step} failed and was gone past, as --continue-after asks: {done}; what later steps did is not what "
            "an upgrade does"
        )
        return True

    def _run_one(self, step: RunStep) -> StepResult:
        observer, observed, record = self.onlookers.observer, None, None
        try:
            if observer is None:
                outcome = self.runner.run(step)
            else:
                with observer.watching() as observed:
                    outcome = self.runner.run(step)
                record = observed.record(outcome.seconds, outcome.warnings)
        except UsageError:
            raise
        except DbauditError as error:  # the server died, or the database is gone: that is a step's doing
            return StepResult(step.step, step.title, Status.FAILED, error=error.what, failure=Failure())
        failure = None
        if outcome.status is Status.FAILED:
            failure = find_failure(self.target, self.facts.get(str(step.step)), outcome, observed, record)
        self.onlookers.look(step.step, record)
        if failure is not None and self.course.retry:
            failure = self._again(step, failure)
        return _result(step, outcome, record, failure)

    def _again(self, step: RunStep, failure: Failure) -> Failure:
        """Run a failed step once more, on what it left behind."""
        try:
            outcome = self.runner.run(step)
        except DbauditError as error:
            return replace(failure, retry=False, by=TRIED, error=error.what)
        self.onlookers.look(step.step, None)
        return replace(failure, retry=outcome.status is Status.OK, by=TRIED, error=outcome.error)


def _result(step: RunStep, outcome: StepOutcome, record: StepRecord | None, failure: Failure | None) -> StepResult:
    return StepResult(
        step=step.step, title=step.title, status=outcome.status, seconds=outcome.seconds, error=outcome.error,
        revisions=outcome.revisions, output=str(outcome.output), record=record, failure=failure,
        timed_out=outcome.timed_out,
    )  # fmt: skip
