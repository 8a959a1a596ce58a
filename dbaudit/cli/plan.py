"""What `dbaudit dry-run` does with a plan instead of a dump."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbaudit.cli import operands, places
from dbaudit.errors import UsageError

if TYPE_CHECKING:
    from dbaudit.cli.options import Report

File = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Rehearse all databases of a plan: docs/plans.md says how it looks."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Cells of a plan rehearsed side by side. Default: half the CPUs."),
]
Executor = Annotated[
    str | None,
    typer.Option("--executor", metavar="dask://HOST:PORT", help="Rehearse a plan's databases on a Dask cluster."),
]
State = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Where a plan keeps what is finished, to go on there. Default: cache."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what a stopped run of the plan has finished.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a plan. `course` are those of the command line that hold for every database of it."""

    to: str | None
    jobs: int | None
    executor: str | None
    state: Path | None
    fresh: bool
    policy: Path | None
    packs: tuple[Path, ...]
    course: Mapping[str, Any] = field(default_factory=dict)


def require_alone(dump: str | None, given: Mapping[str, object]) -> None:
    """Raise UsageError for a dump beside a plan, and for options that a plan says itself, database by database."""
    if dump is not None:
        raise UsageError("a dump and --plan are given", "give one of them")
    if name := next((name for name, value in given.items() if value), None):
        raise UsageError(
            f"{name} is about one dump", "name the dump, or say it in the plan, where each database has it"
        )


def require_plan(**given: object) -> None:
    """Raise UsageError for options of a plan where there is none."""
    if name := next((name for name, value in given.items() if value), None):
        raise UsageError(f"--{name} is about a plan", "add --plan FILE instead of a dump")


def rehearse(file: Path | None, asked: Asked, report: Report) -> int:
    """Rehearse a plan, write its report, and return the exit code."""
    from dbaudit.plan.file import read_plan
    from dbaudit.plan.job import Surroundings
    from dbaudit.plan.run import Manner, run
    from dbaudit.report.progress import drawn

    if file is None and not operands.POLICY.is_file():
        raise UsageError("neither a dump nor a plan is given", "name a dump, or --plan FILE")
    plan = read_plan(file or operands.POLICY, asked.to, asked.course)
    jobs = asked.jobs or max(1, (os.cpu_count() or 1) // 2)
    policy = operands.policy(asked.policy, plan.path)
    manner = Manner(jobs, asked.executor, asked.state, asked.fresh, policy, asked.packs)
    around = Surroundings(places.places, places.environment, places.runs)
    with drawn(quiet=report.quiet) as watch, run(plan, manner, around, watch) as result:
        return report.write(result)
