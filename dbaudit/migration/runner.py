"""What a runner is: it runs one migration step, or one phase, against the throwaway server, and says how it went.

A runner knows nothing of restoring, comparing or judging; the dry-run does that around it. They are the modules whose
names end in `_runner`. A step that fails is an outcome; only what makes stepping impossible or unsafe is an error.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pymysql

from dbaudit.finding import Step, step
from dbaudit.progress import Watch, silent
from dbaudit.result import Basis, Status
from dbaudit.server.server import Account, Server

# Seconds that one step may take unless told otherwise: a day. A rehearsal of a large database takes hours in one
# ALTER; the limit is there so that a tool which waits for ever does not keep the report from being written.
STEP_LIMIT = 86_400.0
# Seconds for which nothing at all may move, unless told otherwise: no row, no byte, no processor. An hour is far more
# than any pause of a tool that still works.
STALL_LIMIT = 3_600.0


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step to run. `step` is its name in reports (`cinder:11`, `keystone:expand`), `title` is for people.

    `argument` is what the tool is told: the number or revision for `{version}`, the phase for `{phase}`.
    """

    step: Step
    title: str
    argument: str
    is_phase: bool = False


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How a step went. `seconds` is wall time; `error` None when it went well, else what the tool said at its end.

    `output` holds what the tool printed, or for SQL each statement with its time; no password is in it. `revisions` are
    what the database says was applied, in order: Alembic revisions as they are, others like `cinder:11`. `timed_out`
    says that it was stopped, by its time limit or since nothing moved. `warnings` are the server's, all of them, from
    runners that see them; None from others.
    """

    status: Status
    seconds: float
    error: str | None
    output: Path
    revisions: tuple[str, ...] = ()
    timed_out: bool = False
    warnings: tuple[str, ...] | None = None


def version_step(repository: str, version: int | str, title: str = "") -> RunStep:
    """The step that brings `repository` to a version: a sqlalchemy-migrate number or an Alembic revision."""
    return RunStep(step(repository, version), title or f"version {version}", str(version))


def phase_step(service: str, phase: str) -> RunStep:
    """The step that runs a whole phase of `service`."""
    return RunStep(step(service, phase), f"phase {phase}", phase, is_phase=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What steps run against: a schema on the throwaway server, and the account that may change it.

    `directory` is private to this run (0700); output and configuration files go there. `siblings` are schemas of
    other services on the same server by service name, which the account must reach too (`nova_api` for nova's).
    """

    server: Server
    account: Account
    database: str
    service: str
    directory: Path
    siblings: Mapping[str, str] = field(default_factory=dict)

    def disconnect(self) -> None:
        """Stop what the account still runs on the server: a killed client's ALTER goes on until it is told."""
        with contextlib.closing(self.server.admin()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s", (self.account.user,))
            for (number,) in cursor.fetchall():
                # It may have ended by itself.
                with contextlib.suppress(pymysql.MySQLError):
                    cursor.execute(f"KILL {int(number)}")


class Runner(ABC):
    """Runs steps, in the order in which they are given. Close it: what it started and wrote beside the output goes.

    `basis` says what a verdict after its steps rests on.
    """

    basis = Basis.REHEARSED

    @abstractmethod
    def prove(self, watch: Watch = silent) -> str:
        """Show that it writes to the throwaway server and nowhere else; the sentence says how it was shown.

        Raises DbauditError where it cannot be shown. The first `run` does it where it has not been done.
        """

    @abstractmethod
    def run(self, step: RunStep) -> StepOutcome:
        """Run one step. KeyboardInterrupt passes through, after everything that was started has been killed."""

    def close(self) -> None:  # noqa: B027 - a runner that holds nothing has nothing to do
        """Take away what it made. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
