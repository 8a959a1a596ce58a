"""Runs a service's own tool (`cinder-manage ... db sync 10`), one version or one phase at a time.

The tool is the operator's, in the operator's virtualenv, and migrates whatever its configuration names. So nothing is
run before it has been shown that it reads what it is given (`prove`), and it runs confined (`confine`). Of the two
placeholders for the database `{config}` is the better one: `{url}` is seen by everybody who lists the processes of
the machine, though its password is random and good for the throwaway server alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration import process
from dbaudit.migration.complaint import complaint, last_line
from dbaudit.migration.configuration import write_configuration
from dbaudit.migration.confine import Confinement, Network, confine, scrubbed
from dbaudit.migration.door import Door
from dbaudit.migration.probe import probe_schema
from dbaudit.migration.revisions import RevisionWatch
from dbaudit.migration.runner import (
    STEP_LIMIT,
    Runner,
    RunStep,
    StepOutcome,
    Target,
    mask_file,
    masked,
    output_file,
    phase_step,
)
from dbaudit.migration.template import Template, parse_template, probe_of
from dbaudit.progress import Progress, Watch, silent
from dbaudit.result import Status
from dbaudit.server.server import Account

# Seconds that the tool has to say which version a database has. Slow disks make a cold start of 10 s.
_PROBE_LIMIT = 120.0


@dataclass(frozen=True)
class Command:
    """How the operator wants steps run, as on the command line.

    `environment` is that of dbaudit, not yet scrubbed; `driver` the dialect and driver that the tool's virtualenv has
    (`mysql` for those of Python 2); `limit` is in seconds, for each step.
    """

    template: str
    environment: Mapping[str, str]
    phases: tuple[str, ...] = ()
    probe: str | None = None
    network: Network = Network.REFUSED
    driver: str = "mysql+pymysql"
    limit: float = STEP_LIMIT


class CommandRunner(Runner):
    """Runs the command of a template. Raises UsageError at once for a template that could not be run safely."""

    def __init__(self, command: Command, target: Target) -> None:
        self._command = command
        self._target = target
        self._template = parse_template(command.template)
        _check_placeholders(self._template, command.phases)
        self._probe = parse_template(command.probe, "the probe") if command.probe else probe_of(self._template)
        self._environment = scrubbed(command.environment)
        for template in (self._template, self._probe):
            _check_executable(template.words[0], self._environment)
        target.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._confinement: Confinement | None = None
        self._door: Door | None = None
        self._proof: str | None = None

    @property
    def phases(self) -> tuple[RunStep, ...]:
        """The steps that the phases are, in order; none where the tool takes versions."""
        return tuple(phase_step(self._target.service, phase) for phase in self._command.phases)

    def prove(self, watch: Watch = silent) -> str:
        """Have the tool read a probe schema, confined as it will be later. Raises DbauditError, with what it said."""
        if self._proof is None:
            self._confinement = confine(self._command.network)
            self._door = self._door or Door(self._target.server, self._target.directory)
            watch(Progress("prove where the runner writes", 0, None, "steps", self._probe.words[0]))
            self._ask()
            self._proof = f"{Path(self._probe.words[0]).name} reads the configuration it is given, and runs "
            self._proof += self._confinement.label
        return self._proof

    def _ask(self) -> None:
        output = self._target.directory / "probe.log"
        output.unlink(missing_ok=True)
        output.touch(mode=0o600)
        with probe_schema(self._target.server) as probe:
            values = {"version": "0", "phase": next(iter(self._command.phases), "")}
            # The probe's account sees the probe alone, and there is no sibling to fall back on.
            ended = self._call(self._probe, values, probe.account, probe.database, {}, output, _PROBE_LIMIT)
            said = output.read_text("utf-8", "replace")
            if probe.is_reported(said):
                return
            secrets = (probe.account.password,)
            answer = last_line(output) if ended.code == 0 else complaint(output, ended.code)
        if ended.timed_out:
            answer = f"nothing within {_PROBE_LIMIT:.0f} s"
        raise DbauditError(
            "the tool does not read the configuration it is given: asked for the version of a probe schema it "
            f"answered {masked(answer, secrets)!r}",
            "nothing was migrated. Look for a URL or a configuration file that overrides {config} (a wrapper script, "
            "/etc/<service>/<service>.conf.d), or name the command that reads the version with --runner-probe",
        )

    def run(self, step: RunStep) -> StepOutcome:
        """Run the tool for one step; see Runner."""
        self.prove()
        target = self._target
        output = output_file(target.directory / "steps", step)
        values = {"phase" if step.is_phase else "version": step.argument}
        if missing := self._template.placeholders - {"config", "url"} - set(values):
            raise UsageError(f"the runner's command wants {{{min(missing)}}}, which step {step.step} does not have")
        with RevisionWatch(target.server, target.database) as watched:
            before = watched.standing()
            try:
                ended = self._call(
                    self._template,
                    values,
                    target.account,
                    target.database,
                    target.siblings,
                    output,
                    self._command.limit,
                )
            except BaseException:
                target.disconnect()
                raise
            if ended.timed_out:
                target.disconnect()
            revisions = watched.applied()
            error = self._error(step, ended, output, before, watched)
        mask_file(output, (target.account.password,))
        status = Status.FAILED if error else Status.OK
        return StepOutcome(status, ended.seconds, error, output, revisions, ended.timed_out)

    def _error(
        self, step: RunStep, ended: process.Ended, output: Path, before: Sequence[str], watched: RevisionWatch
    ) -> str | None:
        if ended.timed_out:
            return f"stopped after its time limit of {self._command.limit:g} s"
        if ended.code:
            return masked(complaint(output, ended.code), (self._target.account.password,))
        # A tool that ends well and did nothing here (another database, an option that it took for another) must not
        # count as a step that went well. Only numbers can be compared: Alembic has names for revisions.
        now = watched.standing()
        at = [name for name in now if name.startswith(f"{step.step.repository}:")]
        said = any(name.startswith(f"{step.step.repository}:") for name in before)
        if step.argument.isdigit() and str(step.step) not in at and (at or said):
            stands = at[0] if at else "nowhere: its version is gone"
            return f"the command ended well, but the database stands at {stands}, not at {step.step}"
        return None

    def _call(
        self,
        template: Template,
        values: Mapping[str, str],
        account: Account,
        database: str,
        siblings: Mapping[str, str],
        output: Path,
        limit: float,
    ) -> process.Ended:
        """Run a filled template, confined, with a configuration file that lives as long as the command does."""
        assert self._door is not None and self._confinement is not None  # `prove` made them
        url = self._door.url(account, database, self._command.driver)
        config = self._target.directory / f"{self._target.service}.conf"
        others = {name: self._door.url(account, schema, self._command.driver) for name, schema in siblings.items()}
        write_configuration(config, self._target.service, url, others)
        command = template.fill({**values, "config": str(config), "url": url})
        try:
            wrapped = self._confinement.wrap(command, self._door.socket)
            return process.run(wrapped, self._environment, output, limit)
        finally:
            config.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the way to the server; the output of the steps stays."""
        if self._door is not None:
            self._door.close()
            self._door = None
            self._proof = None


def _check_placeholders(template: Template, phases: tuple[str, ...]) -> None:
    """One version at a time, or one phase at a time: else a step cannot be told from the next."""
    if phases and "phase" not in template.placeholders:
        raise UsageError(
            "--runner-phases is given, but the runner's command has no {phase}",
            "write where the phase goes, such as 'keystone-manage --config-file {config} db_sync --{phase}'",
        )
    if not phases and "phase" in template.placeholders:
        raise UsageError(
            "the runner's command has {phase}, but no phases are named", "add --runner-phases, such as expand,contract"
        )
    if not template.placeholders & {"phase", "version"}:
        raise UsageError(
            "the runner's command has neither {version} nor {phase}: it would run every step at once",
            "add {version}; where the tool cannot stop at a version, {phase} and --runner-phases expand,contract",
        )


def _check_executable(name: str, environment: Mapping[str, str]) -> None:
    if shutil.which(name, path=environment.get("PATH", "")) is None:
        raise UsageError(
            f"the runner's command is not found, or is not executable: {name}",
            "give its path in the virtualenv that it is installed in, such as /opt/cinder/bin/cinder-manage",
        )
