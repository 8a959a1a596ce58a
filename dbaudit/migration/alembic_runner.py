"""Runs the revisions of an Alembic project one at a time, with the project's own env.py and in its own virtualenv.

`alembic:INI`, `alembic:INI#section` or `alembic:DIR` (a script location). Alembic is never imported here: a driver of
ours (`alembic_driver`) is run by the virtualenv's Python, confined like any other tool, and sets `sqlalchemy.url` of
the section that is used. Whether env.py goes by it is not believed but tried: its own connection has to read a
version that only the probe schema holds. An env.py with a URL of its own is refused before the first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.alembic_graph import Graph
from dbaudit.migration.driving import Driver
from dbaudit.migration.probe import probe_schema
from dbaudit.migration.runner import Runner, RunStep, StepOutcome, Target, version_step
from dbaudit.migration.tool import Surroundings, Tool, unproved, unrecorded
from dbaudit.progress import Progress, Watch, silent

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


def project_in_image(spec: str, branches: tuple[str, ...] = ()) -> Project:
    """The project at a path of a container's image, with the Python that the image's PATH names."""
    text, _, section = spec.partition("#")
    if not text.startswith("/"):
        raise UsageError(f"{text} is not an absolute path in the image", "--runner alembic:/app/alembic.ini")
    return Project(Path(text), Path("python3"), section, branches)


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
        # By its name, since it may be a path of an image.
        is_ini = project.location.suffix in (".ini", ".cfg", ".conf") or project.location.is_file()
        ini, location = (str(project.location), None) if is_ini else (None, str(project.location))
        self._driver = Driver(
            self._tool, target.directory, [str(project.python)], ini=ini, location=location, section=project.section
        )
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
            answer, said = self._driver.ask("where", place, (probe.account.password,))
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
            answer, said = self._driver.ask("look", place, (target.account.password,))
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
        try:
            return self._tool.run(
                step,
                lambda place: self._driver.command("upgrade", place, step.argument),
                lambda moment: unrecorded(step, moment),
            )
        finally:
            self._driver.forget()

    def close(self) -> None:
        """Close the way to the server; the output of the steps stays."""
        self._tool.close()
