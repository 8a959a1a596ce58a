"""Runs a service's own tool (`cinder-manage ... db sync 10`), one version or one phase at a time.

The tool is the operator's, in the operator's virtualenv, and migrates whatever its configuration names. So nothing is
run before it has been shown that it reads what it is given (`prove`), and it runs confined (`confine`). Of the two
placeholders for the database `{config}` is the better one: `{url}` is seen by everybody who lists the processes of
the machine, though its password is random and good for the throwaway server alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import UsageError
from dbaudit.migration.runner import Runner, RunStep, StepOutcome, Target, phase_step
from dbaudit.migration.template import Template, parse_template, probe_of
from dbaudit.migration.tool import Moment, Place, Surroundings, Tool, unproved
from dbaudit.progress import Progress, Watch, silent


@dataclass(frozen=True)
class Command:
    """How the operator wants steps run, as on the command line."""

    template: str
    surroundings: Surroundings
    phases: tuple[str, ...] = ()
    probe: str | None = None


class CommandRunner(Runner):
    """Runs the command of a template. Raises UsageError at once for a template that could not be run safely."""

    def __init__(self, command: Command, target: Target) -> None:
        self._command = command
        self._target = target
        self._template = parse_template(command.template)
        _check_placeholders(self._template, command.phases)
        self._probe = parse_template(command.probe, "the probe") if command.probe else probe_of(self._template)
        self._tool = Tool(target, command.surroundings)
        for template in (self._template, self._probe) if command.surroundings.image is None else ():
            _check_executable(template.words[0], self._tool.environment)
        self._proof: str | None = None

    @property
    def phases(self) -> tuple[RunStep, ...]:
        """The steps that the phases are, in order; none where the tool takes versions."""
        return tuple(phase_step(self._target.service, phase) for phase in self._command.phases)

    def prove(self, watch: Watch = silent) -> str:
        """Have the tool read a probe schema, confined as it will be later. Raises DbauditError, with what it said."""
        if self._proof is None:
            label = self._tool.open()
            watch(Progress("prove where the runner writes", 0, None, "steps", self._probe.words[0]))
            values = {"version": "0", "phase": next(iter(self._command.phases), "")}
            answer = self._tool.prove(lambda place: filled(self._probe, values, place))
            if answer is not None:
                raise unproved(
                    "the tool does not read the configuration it is given: asked for the version of a probe schema "
                    "it answered",
                    answer,
                    "Look for a URL or a configuration file that overrides {config} (a wrapper script, "
                    "/etc/<service>/<service>.conf.d), or name the command that reads the version with --runner-probe",
                )
            self._proof = f"{Path(self._probe.words[0]).name} reads the configuration it is given, and runs {label}"
        return self._proof

    def run(self, step: RunStep) -> StepOutcome:
        """Run the tool for one step; see Runner."""
        self.prove()
        values = {"phase" if step.is_phase else "version": step.argument}
        if missing := self._template.placeholders - {"config", "url"} - set(values):
            raise UsageError(f"the runner's command wants {{{min(missing)}}}, which step {step.step} does not have")
        return self._tool.run(
            step, lambda place: filled(self._template, values, place), lambda moment: misplaced(step, moment)
        )

    def close(self) -> None:
        """Close the way to the server; the output of the steps stays."""
        self._tool.close()


def filled(template: Template, values: Mapping[str, str], place: Place) -> list[str]:
    """The words of a command for a place."""
    return template.fill({**values, "config": str(place.config), "url": place.url})


def misplaced(step: RunStep, moment: Moment) -> str | None:
    """What a step that ended well did not do.

    A tool that ends well and did nothing here (another database, an option that it took for another) must not count as
    a step that went well. Only numbers can be compared: Alembic has names for revisions.
    """
    name = f"{step.step.repository}:"
    at = [each for each in moment.now if each.startswith(name)]
    said = any(each.startswith(name) for each in moment.before)
    if step.argument.isdigit() and str(step.step) not in at and (at or said):
        stands = at[0] if at else "nowhere: its version is gone"
        return f"the command ended well, but the database stands at {stands}, not at {step.step}"
    return None


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
