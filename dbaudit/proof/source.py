"""Where a value of a thing stands in a row: the small language of checks/<service>/survivors.json.

`column`, `column:a/b` (a place in its JSON), `=text` (a constant), `@` and `@:a` (the entry of `each`), each with
one of these behind it, which says what counts as the same or which part is meant: `|bool`, `|lower`, `|pool` (what
stands before `#`), `|id`, `|inherited`, `|name`, `|value`, `|bare` (without slashes around),
and of a URL `|user`, `|password`, `|host`, `|port`, `|path`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from dbaudit.errors import DbauditError

Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Source:
    """One place. `column` is None for constants and entries."""

    column: str | None
    path: tuple[str, ...] = ()
    constant: str | None = None
    norm: str = ""

    def value(self, row: Row, entry: Any) -> str | None:
        """The value there, as text; NULL, empty text and JSON's null are None."""
        if self.constant is not None:
            return self.constant
        found: Any = entry if self.column is None else row[self.column]
        if self.path and self.column is not None:
            found = parsed(found)
        for part in self.path:
            found = found.get(part) if isinstance(found, dict) else None
        found = _NORMS[self.norm](found)
        if found is None or found == "":
            return None
        return found if isinstance(found, str) else json.dumps(found, sort_keys=True)


def parsed(text: Any) -> Any:
    """JSON, None where it is none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def read_source(text: str) -> Source:
    """A source from its text. Raises DbauditError for a norm that there is not."""
    place, _, norm = text.partition("|")
    if norm not in _NORMS:
        raise DbauditError(f"survivors.json: unknown {norm!r} in {text!r}", f"known: {', '.join(filter(None, _NORMS))}")
    if place.startswith("="):
        return Source(None, constant=place[1:], norm=norm)
    column, _, path = place.partition(":")
    return Source(None if column == "@" else column, tuple(path.split("/")) if path else (), norm=norm)


def _bool(value: Any) -> Any:
    words = {"true": "1", "false": "0", "yes": "1", "no": "0", "none": None}
    return value if value is None else words.get(str(value).lower(), str(value))


def _role(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


def _inherited(value: Any) -> Any:
    return "1" if isinstance(value, dict) and value.get("inherited_to") else "0"


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else None


def _second(value: Any) -> Any:
    return value[1] if isinstance(value, tuple) else None


def _url(part: str) -> Callable[[Any], Any]:
    def of(value: Any) -> Any:
        try:
            found = getattr(urlsplit(str(value)), part)
        except ValueError:
            return None
        return unquote(str(found)).strip("/") if value is not None and found is not None else None

    return of


_NORMS: Mapping[str, Callable[[Any], Any]] = {
    "": lambda value: value,
    "bool": _bool,
    "lower": lambda value: value if value is None else str(value).lower(),
    "pool": lambda value: value if value is None else str(value).split("#")[0],
    "id": _role,
    "inherited": _inherited,
    "name": _first,
    "value": _second,
    "user": _url("username"),
    "password": _url("password"),
    "host": _url("hostname"),
    "port": _url("port"),
    "path": _url("path"),
    "bare": lambda value: value if value is None else str(value).strip("/"),
}
