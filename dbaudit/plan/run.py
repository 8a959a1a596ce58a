"""Rehearse the databases of a plan: what is finished is taken from its state, the rest run, in order, and one report.

On this machine the databases of one stage run side by side (as many as `jobs`), the stages one after the other, so
that times are not those of a crowded machine. On a cluster all run at once: no rehearsal needs another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from dbaudit.comparison.policy import Policy
from dbaudit.dryrun.inspection import inspect_one
from dbaudit.dryrun.scratch import scratch
from dbaudit.errors import DbauditError, UsageError
from dbaudit.plan.cluster import Cluster, is_lost
from dbaudit.plan.crew import Crew
from dbaudit.plan.envelope import thaw
from dbaudit.plan.file import Member, Plan
from dbaudit.plan.job import Job, Report, Surroundings
from dbaudit.plan.merge import Outcome, merge
from dbaudit.plan.order import Order, Place, arrange, load_order, remarks
from dbaudit.plan.state import State, directory_of, held
from dbaudit.progress import Progress, Watch
from dbaudit.result import Result
from dbaudit.window import Stage


@dataclass(frozen=True, slots=True)
class Manner:
    """How a plan is run. `executor` is a cluster's address, None for this machine; `fresh` forgets what is finished."""

    jobs: int = 1
    executor: str | None = None
    state: Path | None = None
    fresh: bool = False
    policy: Policy = field(default_factory=Policy)
    packs: tuple[Path, ...] = ()
    today: date | None = None


@contextmanager
def run(plan: Plan, manner: Manner, around: Surroundings, watch: Watch) -> Iterator[Result]:
    """The report of a plan. When the block that writes it ends well, a plan without errors starts anew the next time.

    Raises DbauditError or UsageError before the first database is rehearsed where the plan cannot be run, BusyError
    where another run of it goes on. An error of one database is a finding; the others go on.
    """
    places = around.places()
    with held(manner.state or directory_of(plan.path, places.cache)) as state:
        if manner.fresh:
            state.clear()
        jobs = {member.label: _job(member, manner, around) for member in plan.members}
        ordered = _places(plan, around, watch, remote=manner.executor is not None)
        order = Order(plan.order, "the plan's own") if plan.order else load_order(plan.target)
        stages = arrange(ordered, order)
        outcomes = _outcomes(jobs, stages, state, manner, watch)
        notes = tuple(remarks(ordered, order, plan.target))
        yield merge(plan, stages, outcomes, notes, manner.policy, manner.today or date.today())
        if all(each.result is not None for each in outcomes.values()):
            state.clear()


def _job(member: Member, manner: Manner, around: Surroundings) -> Job:
    """Limits and waivers are for the report of the whole plan, so a database gets the site's own objects alone."""
    request = replace(member.request, policy=Policy(manner.policy.own, source=manner.policy.source))
    return Job(member.label, request, around, manner.packs)


def _places(plan: Plan, around: Surroundings, watch: Watch, *, remote: bool) -> tuple[Place, ...]:
    """What the order knows the databases by. A dump is looked into where the plan does not tell its service."""
    found = []
    for number, member in enumerate(plan.members):
        watch(Progress("plan", number, len(plan.members), "databases", f"looks at {member.label}"))
        absent = [each for each in (member.request.operand, *member.request.beside) if not Path(each).exists()]
        if absent and not (remote and member.service):
            hint = "give `service` in the plan where only the workers can see the dump" if remote else "check the plan"
            raise DbauditError(f"{member.label}: {absent[0]} is not there", hint)
        found.append(Place(member.label, member.service or _service(member, around), member.role))
    return tuple(found)


def _service(member: Member, around: Surroundings) -> str:
    with scratch(around.places()) as space:
        looked = inspect_one(member.request.operand, space, database=member.request.database, watch=lambda _: None)
    if looked.standing.service is None:
        raise UsageError(
            f"{member.label}: the tables of {member.request.operand} are those of no service that dbaudit knows",
            "say `service` in the plan",
        )
    return looked.standing.service


def _outcomes(
    jobs: Mapping[str, Job], stages: Sequence[Stage], state: State, manner: Manner, watch: Watch
) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for label, job in jobs.items():
        if kept := state.find(job):
            outcomes[label] = Outcome(kept.result, taken_from=kept.at)
    todo = [[jobs[str(label)] for label in stage.labels if label not in outcomes] for stage in stages]
    if manner.executor is not None:
        todo = [[job for stage in todo for job in stage]]
    if not any(todo):
        return outcomes
    done = _counter(len(jobs), len(outcomes), watch)
    with Cluster(manner.executor) if manner.executor is not None else Crew(manner.jobs, watch) as workers:
        for stage in todo:
            for report in _finished(workers, stage):
                outcomes[report.label] = _outcome(report)
                if report.result is not None:
                    state.keep(jobs[report.label], report.result)
                done(report.label)
    return outcomes


def _finished(workers: Cluster | Crew, jobs: Sequence[Job]) -> Iterator[Report]:
    """The reports of jobs as they come."""
    labels = {workers.submit(job): job.label for job in jobs}
    for future in as_completed(labels):
        try:
            yield future.result()
        except DbauditError as error:
            yield Report(labels[future], "this machine", what=error.what, hint=error.hint)
        except Exception as error:
            if not is_lost(error):
                raise
            what = f"the cluster gave it up: {type(error).__name__}: {error}".rstrip(": ")
            yield Report(labels[future], "the cluster", what=what, hint="look at the workers: memory, disk, their log")


def _outcome(report: Report) -> Outcome:
    if report.result is None:
        return Outcome(None, DbauditError(report.what, report.hint), report.where)
    return Outcome(thaw(report.result), where=report.where)


def _counter(total: int, done: int, watch: Watch) -> Callable[[str], None]:
    """Tells how many databases are finished, each time that one is."""
    finished = [done]
    watch(Progress("plan", done, total, "databases"))

    def count(label: str) -> None:
        finished[0] += 1
        watch(Progress("plan", finished[0], total, "databases", label))

    return count
