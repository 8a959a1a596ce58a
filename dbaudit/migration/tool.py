"""The operator's migration tool, as it is started: confined, with a scrubbed environment and one way to the server.

Which tool that is, and what it is asked, is for the runners to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration import process
from dbaudit.migration.complaint import complaint, last_line
from dbaudit.migration.configuration import write_configuration
from dbaudit.migration.confine import Confinement, Network, confine, scrubbed
from dbaudit.migration.door import Door
from dbaudit.migration.guard import Limits
from dbaudit.migration.output import mask_file, masked, output_file
from dbaudit.migration.probe import probe_schema
from dbaudit.migration.pulse import Pulse
from dbaudit.migration.revisions import RevisionWatch
from dbaudit.migration.runner import STALL_LIMIT, STEP_LIMIT, RunStep, StepOutcome, Target
from dbaudit.migration.template import fill_text
from dbaudit.result import Status
from dbaudit.server.server import Account

if TYPE_CHECKING:
    from dbaudit.migration.container import Container

# Seconds that the tool has to answer a question. Slow disks make a cold start of 10 s.
ASK_LIMIT = 120.0


@dataclass(frozen=True)
class Surroundings:
    """How a tool is started: `environment` is that of dbaudit, not yet scrubbed.

    `driver` is the dialect and driver that the tool's virtualenv has (`mysql` for those of Python 2), `limit` the
    seconds that one step may take, `stall` those for which nothing of it may move. `variables` are set for the tool;
    `{url}` and `{config}` in them are filled in. `image` is that of a container to run it in, None for this machine.
    """

    environment: Mapping[str, str]
    network: Network = Network.REFUSED
    driver: str = "mysql+pymysql"
    limit: float = STEP_LIMIT
    stall: float = STALL_LIMIT
    variables: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None


def read_variables(words: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` and so on. Raises UsageError for another form."""
    for word in words:
        if not word.partition("=")[0].isidentifier() or "=" not in word:
            raise UsageError(f"--runner-env {word} is not of the form NAME=VALUE", "such as DATABASE_URL={url}")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


@dataclass(frozen=True, slots=True)
class Place:
    """A schema as the tool is shown it: by its URL, which holds a password, and in a configuration file."""

    url: str
    config: Path


@dataclass(frozen=True, slots=True)
class Moment:
    """What a finished command is judged by: versions before and now, revisions applied, and all that it printed."""

    ended: process.Ended
    before: tuple[str, ...]
    now: tuple[str, ...]
    applied: tuple[str, ...]
    output: Path


class Tool:
    """Starts commands of a tool against a target. `open` it first; close it, and the way to the server is gone.

    `books` are names of tables that record Alembic's versions beside the usual ones.
    """

    def __init__(self, target: Target, how: Surroundings) -> None:
        self._target = target
        self._how = how
        self.environment = scrubbed(how.environment)
        self.books: tuple[str, ...] = ()
        self._confinement: Confinement | Container | None = None
        self._door: Door | None = None
        target.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open(self) -> str:
        """Find out how commands can be confined here, and say it. Raises UsageError where they cannot be."""
        if self._confinement is None:
            self._confinement = self._confined()
            self._door = Door(self._target.server, self._target.directory)
        return self._confinement.label

    def _confined(self) -> Confinement | Container:
        if self._how.image is None:
            return confine(self._how.network)
        from dbaudit.migration.container import Container  # the client of an engine is slow to import

        return Container(self._how.image, self._target.directory, tuple(self._how.variables))

    @contextlib.contextmanager
    def at(self, account: Account, database: str, siblings: Mapping[str, str] | None = None) -> Iterator[Place]:
        """A schema to be shown to the tool; the configuration file lives as long as this is entered."""
        assert self._door is not None  # `open` made it
        driver, service = self._how.driver, self._target.service
        url = self._door.url(account, database, driver)
        config = self._target.directory / f"{service}.conf"
        others = {name: self._door.url(account, schema, driver) for name, schema in (siblings or {}).items()}
        write_configuration(config, service, url, others)
        try:
            yield Place(url, config)
        finally:
            config.unlink(missing_ok=True)

    def start(
        self, command: Sequence[str], place: Place, output: Path, limits: Limits, *, account: Account | None = None
    ) -> process.Ended:
        """Run a command to its end, confined; what it prints is appended to `output`. `account` is watched."""
        assert self._door is not None and self._confinement is not None  # `open` made them
        values = {"url": place.url, "config": str(place.config)}
        variables = {name: fill_text(value, values) for name, value in self._how.variables.items()}
        wrapped = self._confinement.wrap(command, self._door.socket)
        try:
            return process.run(
                wrapped, {**self.environment, **variables}, output, limits,
                partial(Pulse, self._target.server, account, output) if account else None,
            )  # fmt: skip
        finally:
            self._confinement.finish()

    def ask(self, command: Callable[[Place], Sequence[str]], place: Place, output: Path) -> process.Ended:
        """Run a command that only answers a question; `output` begins empty, and is ours alone."""
        output.unlink(missing_ok=True)
        output.touch(mode=0o600)
        return self.start(command(place), place, output, Limits(ASK_LIMIT))

    def run(
        self, step: RunStep, command: Callable[[Place], Sequence[str]], missing: Callable[[Moment], str | None]
    ) -> StepOutcome:
        """Run the command of one step on the target, and say how it went.

        `missing` judges a command that ended well: what the step ought to have done and did not.
        """
        target, limits = self._target, Limits(self._how.limit, self._how.stall)
        output = output_file(target.directory / "steps", step)
        with RevisionWatch(target.server, target.database, self.books) as watched:
            before = watched.standing()
            try:
                with self.at(target.account, target.database, target.siblings) as place:
                    ended = self.start(command(place), place, output, limits, account=target.account)
            except BaseException:
                target.disconnect()
                raise
            if ended.stopped:
                target.disconnect()
            moment = Moment(ended, before, watched.standing(), watched.applied(), output)
        error = self._error(moment, missing)
        mask_file(output, (target.account.password,))
        status = Status.FAILED if error else Status.OK
        return StepOutcome(status, ended.seconds, error, output, moment.applied, ended.stopped is not None)

    def _error(self, moment: Moment, missing: Callable[[Moment], str | None]) -> str | None:
        if moment.ended.stopped:
            return moment.ended.stopped
        if moment.ended.code:
            return masked(complaint(moment.output, moment.ended.code), (self._target.account.password,))
        return missing(moment)

    def prove(self, question: Callable[[Place], Sequence[str]]) -> str | None:
        """Ask which version a probe schema has; None when the tool names it, else what it answered.

        The probe's account sees the probe alone, and there is no sibling to fall back on.
        """
        output = self._target.directory / "probe.log"
        with probe_schema(self._target.server) as probe, self.at(probe.account, probe.database) as place:
            ended = self.ask(question, place, output)
            if probe.is_reported(output.read_text("utf-8", "replace")):
                return None
            return refusal(ended, output, (probe.account.password,))

    def close(self) -> None:
        """Close the way to the server; the output of the steps stays. May be called twice."""
        if self._door is not None:
            self._door.close()
            self._door = None
        self._confinement = None


def refusal(ended: process.Ended, output: Path, secrets: Sequence[str]) -> str:
    """What a tool answered to a question that it did not answer as it should; no password is in it."""
    if ended.stopped:
        return f"nothing within {ASK_LIMIT:.0f} s"
    return masked(last_line(output) if ended.code == 0 else complaint(output, ended.code), secrets)


def unproved(what: str, answer: str, hint: str) -> DbauditError:
    """The error for a tool that did not show that it reads the schema that it is given."""
    return DbauditError(f"{what} {answer!r}", f"nothing was migrated. {hint}")


def unrecorded(step: RunStep, moment: Moment) -> str | None:
    """What is wrong with a revision that ended well: no table of versions has it. It went elsewhere, or did nothing."""
    if step.argument in moment.applied:
        return None
    stands = ", ".join(each for each in moment.now if ":" not in each) or "nowhere"
    return f"the tool ended well, but the database stands at {stands}, and {step.argument} was not recorded"
