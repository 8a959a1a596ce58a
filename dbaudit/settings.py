"""Read the TOML that a site writes (`dbaudit.toml`, a plan): tables with known keys, and errors that name the entry.

What the keys mean is said by who reads them: `comparison.policy`, `budget`, `waiver`, `plan.file`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from dbaudit.errors import DbauditError


def read_settings(path: Path) -> Mapping[str, object]:
    """The content of a TOML file. Raises DbauditError for a file that is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DbauditError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DbauditError(f"{path} is not TOML: {error}") from None


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of a file; `where` names it in errors."""

    where: str
    values: Mapping[str, object]

    def only(self, *keys: str) -> None:
        """Raise DbauditError for a key that is none of these."""
        if unknown := set(self.values) - set(keys):
            raise DbauditError(f"{self.where} has the unknown key {min(unknown)}", f"keys: {', '.join(sorted(keys))}")

    def text(self, key: str) -> str | None:
        """A text; None where the key is absent."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise DbauditError(f"{self.where}: {key} must be text")

    def needed(self, key: str, hint: str) -> str:
        """A text that must be there, and not be empty."""
        if value := self.text(key):
            return value
        raise DbauditError(f"{self.where} has no {key}", hint)

    def number(self, key: str) -> float | None:
        """A number of at least 0; None where the key is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise DbauditError(f"{self.where}: {key} must be a number of at least 0")
        return float(value)

    def day(self, key: str, hint: str) -> date:
        """A day that must be there: a date of TOML, or its text."""
        value = self.values.get(key)
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        if value is None:
            raise DbauditError(f"{self.where} has no {key}", hint)
        try:
            return date.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            raise DbauditError(f"{self.where}: {key} must be a day", hint) from None


def entries(path: Path, content: Mapping[str, object], name: str) -> tuple[Entry, ...]:
    """The tables `[[name]]` of a file, none where it has none. Raises DbauditError for anything else."""
    found = content.get(name.rpartition(".")[2], [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise DbauditError(f"{path}: `{name}` is a list of tables", f"write [[{name}]] above each entry")
    return tuple(Entry(f"{path}: entry {number} of [[{name}]]", each) for number, each in enumerate(found, 1))
