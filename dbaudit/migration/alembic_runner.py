"""Runs the revisions of an Alembic project one at a time, with the project's own env.py and in its own virtualenv.

`alembic:INI`, `alembic:INI#section` or `alembic:DIR` (a script location). Alembic is never imported here: a driver of
ours (`alembic_driver`) is run by the virtualenv's Python, confined like any other tool, and sets `sqlalchemy.url` of
the section that is used. Whether env.py goes by it is not believed but tried: its own connection has to read a
version that only the probe schema holds. An env.py with a URL of its own is refused before the first step.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration import alembic_driver
from dbaudit.migration.alembic_graph import Graph
from dbaudit.migration.probe import probe_schema
from dbaudit.migration.runner import Runner, RunStep, StepOutcome, Target, version_step
from dbaudit.migration.tool import Moment, Place, Surroundings, Tool, refusal, unproved
from dbaudit.progress import Progress, Watch, silent

_DRIVER = Path(alembic_driver.__file__)
# Names under which a virtualenv lies beside the project that it is for.
_BESIDE = (".venv", "venv", "env")
# Directories above the ini that are looked into: deeper packages than that have a repository root in between.
_ABOVE = 5


@dataclass(frozen=True)
class Project:
    """An Alembic project: its ini or its script location, the ini's section, and the Python that it runs with.

    `branches` are labels: only these, one after the other. None are all revisions, in Alembic's own order.
    """

    location: Path
    python: Path
    section: str = ""
    branches: tuple[str, ...] = ()


def find_project(spec: str, venv: Path | None, branches: tuple[str, ...] = ()) -> Project:
    """The project of `INI`, `INI#section` or `DIR`. Raises UsageError: nothing there, no virtualenv."""
    text, _, section = spec.rpartition("#") if "#" in spec and not Path(spec).exists() else (spec, "", "")
    location = Path(text).expanduser().absolute()
    if location.is_dir() and not (location / "env.py").is_file() and (location / "alembic.ini").is_file():
        location = location / "alembic.ini"
    if location.is_dir() and not (location / "env.py").is_file():
        raise UsageError(f"{location} is no script location of Alembic: it has no env.py", "name the alembic.ini")
    if not location.exists():
        raise UsageError(f"there is no such alembic.ini or script location: {location}", "--runner alembic:INI")
    return Project(location, _python(location, venv), section, branches)


def python_in(venv: Path) -> Path:
    """The Python of a virtualenv. Raises UsageError where the directory has none."""
    python = venv.expanduser().absolute() / "bin" / "python"
    if not python.exists():
        raise UsageError(
            f"{venv} is no virtualenv: it has no bin/python", "--runner-venv names the directory above bin"
        )
    return python


def _python(location: Path, venv: Path | None) -> Path:
    if venv is not None:
        return python_in(venv)
    for place in list(location.parents)[:_ABOVE]:
        for candidate in (place, *(place / name for name in _BESIDE)):
            if (candidate / "pyvenv.cfg").is_file():
                return python_in(candidate)
    raise UsageError(
        f"the virtualenv of the Alembic project is not found beside {location}",
        "name it with --runner-venv DIR; Alembic and the project's packages are installed in it",
    )


class AlembicRunner(Runner):
    """Runs the revisions of a project; `pending` names them."""

    def __init__(self, project: Project, target: Target, how: Surroundings) -> None:
        self._project = project
        self._target = target
        self._tool = Tool(target, how)
        self._proof: str | None = None

    def prove(self, watch: Watch = silent) -> str:
        """Have env.py connect, and read a probe schema over its connection. Raises DbauditError with what came."""
        if self._proof is None:
            label = self._tool.open()
            watch(Progress("prove where the runner writes", 0, None, "steps", "env.py"))
            self._prove()
            self._proof = f"the project's env.py connects to where it is told, and runs {label}"
        return self._proof

    def _prove(self) -> None:
        with (
            probe_schema(self._target.server) as probe,
            self._tool.at(probe.account, probe.database) as place,
        ):
            answer, said = self._ask("where", place, (probe.account.password,))
            seen = answer.get("seen", [])
        if seen and all(each == [probe.revision] for each in seen):
            return
        if seen:
            said = "a table of versions that is not the probe's"
        raise unproved(
            "env.py does not connect to the URL it is given (sqlalchemy.url): asked to read a probe schema it answered",
            said,
            "Look for a URL in env.py or in another section of the ini (alembic:INI#section names the one in use). "
            "Where env.py reads a variable, set it: --runner-env DATABASE_URL={url}",
        )

    def pending(self) -> tuple[RunStep, ...]:
        """The steps that the database has before it, in order. Raises DbauditError where the project cannot tell."""
        self.prove()
        target = self._target
        with self._tool.at(target.account, target.database, target.siblings) as place:
            answer, said = self._ask("look", place, (target.account.password,))
        if "revisions" not in answer or len(answer["databases"]) != 1:
            what = "env.py migrates several databases at once" if answer else f"the project cannot be read: {said}"
            raise DbauditError(what, "alembic:INI#section names one of several; nothing was migrated")
        (database,) = answer["databases"]
        self._tool.books = (database["table"],)
        revisions = Graph.read(answer["revisions"]).pending(database["heads"], self._project.branches)
        return tuple(version_step(target.service, each.name, each.title) for each in revisions)

    def run(self, step: RunStep) -> StepOutcome:
        """Upgrade to one revision; see Runner."""
        self.prove()
        request, answer = self._files()
        try:
            return self._tool.run(
                step,
                lambda place: self._command("upgrade", place, (request, answer), step.argument),
                lambda moment: _missing(step, moment),
            )
        finally:
            request.unlink(missing_ok=True)
            answer.unlink(missing_ok=True)

    def _ask(self, action: str, place: Place, secrets: Sequence[str]) -> tuple[dict[str, Any], str]:
        """The driver's answer, empty where there is none, and what was printed instead."""
        request, answer = files = self._files()
        output = self._target.directory / "probe.log"
        try:
            ended = self._tool.ask(lambda place: self._command(action, place, files, ""), place, output)
            found = json.loads(answer.read_text()) if ended.code == 0 and answer.exists() else {}
        finally:
            request.unlink(missing_ok=True)
            answer.unlink(missing_ok=True)
        return found, refusal(ended, output, secrets)

    def _files(self) -> tuple[Path, Path]:
        return self._target.directory / "alembic.json", self._target.directory / "alembic.answer.json"

    def _command(self, action: str, place: Place, files: tuple[Path, Path], revision: str) -> list[str]:
        project = self._project
        is_ini = not project.location.is_dir()
        request, answer = files
        content = {
            "action": action,
            "ini": str(project.location) if is_ini else None,
            "location": None if is_ini else str(project.location),
            "section": project.section,
            "package": None,
            "path": None,
            "url": place.url,
            "revision": revision,
        }
        request.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
        request.touch(mode=0o600)
        request.write_text(json.dumps(content))
        return [str(project.python), str(_DRIVER), str(request), str(answer)]

    def close(self) -> None:
        """Close the way to the server; the output of the steps stays."""
        self._tool.close()


def _missing(step: RunStep, moment: Moment) -> str | None:
    """A step that ended well and that no table of versions has: it went elsewhere, or did nothing."""
    if step.argument in moment.applied:
        return None
    stands = ", ".join(each for each in moment.now if ":" not in each) or "nowhere"
    return f"Alembic ended well, but the database stands at {stands}, and {step.argument} was not recorded"
