"""Find the checks and the reference schemas: folders under `checks/`, and those that `--pack DIR` adds.

The folders are this module's own import path, so that Python's import system is the loader and a new file is a new
check. No `__init__.py` stands anywhere under `checks/`: it would hide a second folder of the same service.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from dbaudit.check import Check
from dbaudit.errors import UsageError

_HERE = Path(__file__).parent
_SHIPPED = _HERE / "_checks"
__path__ = [str(_SHIPPED if _SHIPPED.is_dir() else _HERE.parent / "checks")]

STEPS = "step"  # the pack of what holds for the steps of every service


def add(folder: Path) -> None:
    """Let `folder` (of the same form as checks/) add checks and references. Raises UsageError if it is none."""
    if not folder.is_dir():
        raise UsageError(f"--pack {folder}: no such folder", "name a folder that holds <service>/<check>.py")
    if str(folder) not in __path__:
        __path__.append(str(folder))
        checks.cache_clear()


def services() -> tuple[str, ...]:
    """The services that have a pack, in alphabetical order."""
    names = {entry.name for root in __path__ for entry in Path(root).iterdir() if entry.is_dir()}
    return tuple(sorted(name for name in names if name.isidentifier() and name not in (STEPS, "__pycache__")))


def find(service: str, name: str) -> Path | None:
    """A data file of a service's pack (`schema/havana.sql`, `steps.json`); a later pack wins."""
    return next((path for root in reversed(__path__) if (path := Path(root) / service / name).is_file()), None)


@cache
def checks(service: str) -> tuple[Check, ...]:
    """The checks of a service, in alphabetical order of their ids."""
    found: dict[str, Check] = {}
    for root in __path__:
        for path in sorted((Path(root) / service).glob("*.py")):
            if path.stem.startswith("_"):
                continue
            module = importlib.import_module(f"{__name__}.{service}.{path.stem}")
            check = getattr(module, "check", None)
            if not isinstance(check, Check):
                raise UsageError(f"{path} defines no `check`", "see checks/README.md")
            found[check.id] = check
    return tuple(found[key] for key in sorted(found))


def check(wanted: str) -> Check:
    """The check of that id, or of that former id. Raises UsageError that names near ones."""
    for service in (*services(), STEPS):
        for each in checks(service):
            if wanted == each.id or wanted in each.aliases:
                return each
    raise UsageError(f"no check is called {wanted!r}", "`dbaudit checks list` names them all")
