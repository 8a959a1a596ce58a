"""Runs the steps of a service's own tool where its name is all that is given: `command:cinder-manage`.

How the tool spells a step is data (`preset`), and which of its ages it is, is asked of its own Python.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.alembic_graph import Graph
from dbaudit.migration.command_runner import filled, misplaced
from dbaudit.migration.driving import Driver
from dbaudit.migration.preset import Era, Preset
from dbaudit.migration.revisions import RevisionWatch
from dbaudit.migration.runner import Runner, RunStep, StepOutcome, Target, phase_step, version_step
from dbaudit.migration.template import Template
from dbaudit.migration.tool import Moment, Place, Surroundings, Tool, refusal, unproved, unrecorded
from dbaudit.progress import Progress, Watch, silent

# The phase that stands for all steps of a tool that can stop at each.
_ALL = "sync"
# Run by the tool's Python, of whatever age: which of these files are in the package.
_MARK = "dbaudit-has:"
_SNIPPET = (
    "import os, sys; m = __import__(sys.argv[1]); d = os.path.dirname(os.path.abspath(m.__file__)); "
    f"print('{_MARK}' + ','.join(p for p in sys.argv[2:] if os.path.exists(os.path.join(d, *p.split('/')))))"
)


@dataclass(frozen=True)
class Installed:
    """Where a tool is: its executable, and the command of the Python that it is installed in."""

    executable: str
    python: tuple[str, ...]


def find_tool(spec: str, venv: Path | None, path: str) -> Installed:
    """The tool that a name or a path means; `path` is the PATH that a name is looked up in, after the virtualenv.

    Raises UsageError where it is not there.
    """
    place = str(venv.expanduser().absolute() / "bin" / Path(spec).name) if venv is not None else spec
    found = shutil.which(place, path=path)
    if found is None:
        raise UsageError(
            f"the tool is not found, or is not executable: {place}",
            "give its path, such as command:/opt/cinder/bin/cinder-manage, or its virtualenv with --runner-venv",
        )
    executable = Path(found).absolute()
    return Installed(str(executable), (_python_of(executable),))


def tool_in_image(spec: str) -> Installed:
    """The tool of a container's image: its Python is the one that its first line names there."""
    find = 'exec $(sed -n "1s/^#!//p" "$(command -v "$0")") "$@"'
    return Installed(spec, ("sh", "-c", find, spec))


def _python_of(executable: Path) -> str:
    """The interpreter beside a script, else the one that its first line names."""
    for name in ("python", "python3", "python2"):
        if (executable.parent / name).exists() and (executable.parent.parent / "pyvenv.cfg").exists():
            return str(executable.parent / name)
    with executable.open("rb") as stream:
        first = stream.readline(4096).decode("utf-8", "replace")
    words = first.removeprefix("#!").split()
    if not first.startswith("#!") or not words:
        raise UsageError(f"{executable} is no Python script", "name the tool in its virtualenv, or write a template")
    return words[-1] if Path(words[0]).name == "env" else words[0]


class PresetRunner(Runner):
    """Runs the steps of a preset. `phases` are those that were asked for, none for the tool's own."""

    def __init__(
        self, preset: Preset, installed: Installed, target: Target, how: Surroundings, phases: tuple[str, ...] = ()
    ) -> None:
        self._preset = preset
        self._installed = installed
        self._target = target
        self._phases = phases
        self._tool = Tool(target, how)
        self._era: Era | None = None
        self._proof: str | None = None

    def prove(self, watch: Watch = silent) -> str:
        """Have the tool read a probe schema, confined as it will be later. Raises DbauditError, with what it said."""
        if self._proof is None:
            label = self._tool.open()
            watch(Progress("prove where the runner writes", 0, None, "steps", self._preset.tool))
            answer = self._tool.prove(lambda place: self._words(self._preset.ask, place, {}))
            if answer is not None:
                raise unproved(
                    f"{self._preset.tool} does not read the configuration it is given: asked for the version of a "
                    "probe schema it answered",
                    answer,
                    "Run it by hand: it has to work in this environment; a wrapper with a configuration of its own "
                    "is refused",
                )
            self._proof = f"{self._preset.tool} reads the configuration it is given, and runs {label}"
        return self._proof

    def pending(self, numbered: Sequence[RunStep] = ()) -> tuple[RunStep, ...]:
        """The steps to run, in order; `numbered` are those that the catalogue knows for a tool that takes numbers.

        Raises UsageError for a phase that the tool does not have.
        """
        self.prove()
        era = self._age()
        found: list[RunStep] = []
        for name in self._phases or tuple(era.phases):
            era.phase(name)
            whole = name == _ALL and era.version is not None
            versions = self._versions(era, numbered) if whole else None
            found += versions if versions is not None else [phase_step(self._target.service, name)]
        return tuple(found)

    def _versions(self, era: Era, numbered: Sequence[RunStep]) -> Sequence[RunStep] | None:
        """The versions before the database, None where they are not known and all have to run at once."""
        if era.scripts is None:
            return numbered or None
        project = {"package": self._preset.package, "path": era.scripts}
        driver = Driver(self._tool, self._target.directory, self._installed.python, **project)
        target = self._target
        with self._tool.at(target.account, target.database, target.siblings) as place:
            answer, said = driver.ask("list", place, (target.account.password,))
        if "revisions" not in answer:
            raise DbauditError(
                f"the revisions of {self._preset.tool} cannot be listed: {said}",
                f"--runner-phases {_ALL} runs them all as one step",
            )
        with RevisionWatch(target.server, target.database) as watched:
            heads = [name for name in watched.standing() if ":" not in name]
        pending = Graph.read(answer["revisions"]).pending(heads)
        return [version_step(target.service, each.name, each.title) for each in pending]

    def _age(self) -> Era:
        """Which era the tool is of, by what is in its package."""
        if self._era is None:
            wanted = sorted({name for era in self._preset.eras for name in era.has})
            command = [*self._installed.python, "-c", _SNIPPET, self._preset.package, *wanted]
            output = self._target.directory / "probe.log"
            with self._tool.at(self._target.account, self._target.database) as place:
                ended = self._tool.ask(lambda _: command, place, output)
            said = output.read_text("utf-8", "replace")
            lines = [line.removeprefix(_MARK) for line in said.splitlines() if line.startswith(_MARK)]
            here = set(lines[-1].split(",")) if lines else set()
            era = next((era for era in self._preset.eras if here.issuperset(era.has)), None)
            if era is None:
                raise DbauditError(
                    f"what release {self._preset.tool} is of cannot be seen: "
                    f"{refusal(ended, output, (self._target.account.password,))}",
                    "write the whole command: 'command:TOOL --config-file {config} ... {version}'",
                )
            self._era = era
        return self._era

    def run(self, step: RunStep) -> StepOutcome:
        """Run the tool for one step; see Runner."""
        self.prove()
        era = self._age()
        template = era.phase(step.argument) if step.is_phase else era.version
        if template is None:
            raise UsageError(f"{self._preset.tool} cannot stop at {step.step}", f"its phases: {', '.join(era.phases)}")
        values = {} if step.is_phase else {"version": step.argument}

        def missing(moment: Moment) -> str | None:
            by_revision = not step.is_phase and era.scripts is not None
            return unrecorded(step, moment) if by_revision else misplaced(step, moment)

        return self._tool.run(step, lambda place: self._words(template, place, values), missing)

    def _words(self, template: Template, place: Place, values: dict[str, str]) -> list[str]:
        return [self._installed.executable, *filled(template, values, place)[1:]]

    def close(self) -> None:
        """Close the way to the server; the output of the steps stays."""
        self._tool.close()
