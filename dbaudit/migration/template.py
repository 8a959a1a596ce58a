"""A command template, and what is known of the tools that are called by one: how each is asked for its version.

`venv/bin/cinder-manage --config-file {config} db sync {version}` is split as a shell would, once, and filled in word
by word, so that nothing in a value is ever read by a shell.
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from dbaudit.errors import UsageError

PLACEHOLDERS = ("version", "url", "config", "phase")
# Per tool: words that make it migrate, and the words that make it say where the database stands. None of the latter
# writes. Aliases first, since the first that is found in the template decides.
_TOOLS: Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "keystone-manage": ((("db_sync",), ("db_version",)),),
    "cinder-manage": ((("db", "sync"), ("db", "version")),),
    "nova-manage": ((("api_db", "sync"), ("api_db", "version")), (("db", "sync"), ("db", "version"))),
    "glance-manage": (
        (("db_sync",), ("db_version",)),
        (("db", "sync"), ("db", "version")),
        (("db", "expand"), ("db", "version")),
        (("db", "migrate"), ("db", "version")),
        (("db", "contract"), ("db", "version")),
        # With {phase} in its place.
        (("db",), ("db", "version")),
    ),
    "heat-manage": ((("db_sync",), ("db_version",)),),
    "neutron-db-manage": ((("upgrade",), ("current",)),),
    "alembic": ((("upgrade",), ("current",)),),
}
# What is named when no probe is known.
KNOWN_TOOLS = tuple(sorted(_TOOLS))


@dataclass(frozen=True, slots=True)
class Template:
    """The words of a command, placeholders in them, and which placeholders occur."""

    words: tuple[str, ...]
    placeholders: frozenset[str]

    def fill(self, values: Mapping[str, str]) -> list[str]:
        """The command. Every placeholder that occurs must be given."""
        return ["".join(self._piece(part, values) for part in _parts(word)) for word in self.words]

    @staticmethod
    def _piece(part: tuple[str, str | None], values: Mapping[str, str]) -> str:
        return part[0] + (values[part[1]] if part[1] is not None else "")


def parse_template(text: str, what: str = "the runner's command") -> Template:
    """Split a template and check it. Raises UsageError: empty, unbalanced, an unknown placeholder, or one that names
    neither {config} nor {url}: such a tool would read its own configuration, which is production's."""
    try:
        words = tuple(shlex.split(text))
        found = frozenset(name for word in words for _, name in _parts(word) if name is not None)
    except ValueError as error:
        raise UsageError(
            f"{what} cannot be read: {error}: {text}", "a literal brace is written twice: {{ }}"
        ) from error
    names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    if not words:
        raise UsageError(
            f"{what} is empty", "give one such as 'keystone-manage --config-file {config} db_sync {version}'"
        )
    if unknown := sorted(found - set(PLACEHOLDERS)):
        raise UsageError(f"{what} has an unknown placeholder {{{unknown[0]}}}: {text}", f"known are {names}")
    if not found & {"config", "url"}:
        raise UsageError(
            f"{what} has neither {{config}} nor {{url}}: it would use its own configuration, which may be production's",
            "write where it takes a configuration file ({config}) or a database URL ({url})",
        )
    return Template(words, found)


def probe_of(template: Template) -> Template:
    """The command by which the same tool, with the same options, says which version the database has.

    Raises UsageError where the tool is not known, or where the options that name the database come after the words
    that make it migrate.
    """
    for index, word in enumerate(template.words):
        for migrate, ask in _TOOLS.get(PurePath(word).name, ()):
            place = _find(template.words, migrate, index + 1)
            if place is not None:
                words = template.words[:place] + ask
                return parse_template(shlex.join(words), "the probe derived from the runner's command")
    raise UsageError(
        f"how {PurePath(template.words[0]).name} is asked for the version of its database is not known",
        "give a command that only reads it with --runner-probe, such as 'tool --config-file {config} db_version' "
        f"(known are {', '.join(KNOWN_TOOLS)})",
    )


def fill_text(text: str, values: Mapping[str, str]) -> str:
    """One word with its placeholders filled in; those that are not among `values` stay as they are."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _find(words: tuple[str, ...], wanted: tuple[str, ...], start: int) -> int | None:
    places = range(start, len(words) - len(wanted) + 1)
    return next((place for place in places if words[place : place + len(wanted)] == wanted), None)


def _parts(word: str) -> list[tuple[str, str | None]]:
    """Literal text and the placeholder behind it. Raises ValueError for a brace that is not closed or not a name."""
    parts = []
    for text, name, spec, conversion in string.Formatter().parse(word):
        if name is not None and (spec or conversion or not name.isidentifier()):
            raise ValueError(f"{{{name}}} is not a placeholder")
        parts.append((text, name))
    return parts
