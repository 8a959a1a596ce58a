"""What a dry-run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from dbaudit.comparison.policy import Policy
from dbaudit.dryrun.course import Course
from dbaudit.production.estimate import Production
from dbaudit.release import Release


@dataclass(frozen=True, slots=True)
class RunnerRequest:
    """How the real migrations are run; `spec` is `command:TEMPLATE`, `alembic:INI` or `sql:DIR`.

    `phases` name the phases of a tool that cannot stop at a version, `probe` is the command that reads the version,
    `driver` the dialect and driver in the URLs that the tool gets, `limit` the seconds that one step may take and
    `stall` those for which nothing may move, None for the defaults; `output` keeps what the tool prints. `venv` is the
    virtualenv that the tool is installed in, `variables` are set for it (`{url}` and `{config}` are filled in), `image`
    is that of a container that it is in.
    """

    spec: str
    phases: tuple[str, ...] = ()
    probe: str | None = None
    driver: str = "mysql+pymysql"
    limit: float | None = None
    stall: float | None = None
    allow_network: bool = False
    output: Path | None = None
    venv: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A dry-run: the dump, the target release, where to restore and how to step.

    `database_charset` answers what a dump without CREATE DATABASE does not tell; `policy` names what is the site's own,
    what the steps may cost, and what is waived until which day; `today` decides whether that has passed.
    `beside` are dumps that are restored with it and not stepped. `production` is what is known of production,
    for times at its size.
    """

    operand: str
    target: Release
    database: str | None = None
    database_charset: str | None = None
    server: str = "auto"
    server_binary: Path | None = None
    runner: RunnerRequest | None = None
    workers: int = 2
    policy: Policy = field(default_factory=Policy)
    today: date = field(default_factory=date.today)
    course: Course = field(default_factory=Course)
    production: Production | None = None
    beside: tuple[str, ...] = ()
