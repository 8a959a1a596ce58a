"""OpenStack releases in order, and ranges of them.

Names are lower case: `austin` to `zed`, then the numbers from `2023.1` on (Antelope onward). What a release contains
is not known here: see the packs in `checks/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import total_ordering

from dbaudit.errors import UsageError

_NAMES = (
    "austin bexar cactus diablo essex folsom grizzly havana icehouse juno kilo liberty mitaka newton ocata pike "
    "queens rocky stein train ussuri victoria wallaby xena yoga zed "
    "2023.1 2023.2 2024.1 2024.2 2025.1 2025.2 2026.1 2026.2"
).split()
_ALIASES = {
    "antelope": "2023.1", "bobcat": "2023.2", "caracal": "2024.1", "dalmatian": "2024.2",
    "epoxy": "2025.1", "flamingo": "2025.2", "gazpacho": "2026.1",
}  # fmt: skip


@total_ordering
@dataclass(frozen=True, slots=True)
class Release:
    """A release, ordered by its date; `index` counts from Austin (0)."""

    name: str
    index: int

    def __lt__(self, other: Release) -> bool:
        return self.index < other.index

    def __str__(self) -> str:
        return self.name


RELEASES = tuple(Release(name, index) for index, name in enumerate(_NAMES))
_BY_NAME = {release.name: release for release in RELEASES}


def release(name: str) -> Release:
    """The release called `name` (any case, code name or number). Raises UsageError that lists the known ones."""
    wanted = name.strip().lower()
    try:
        return _BY_NAME[_ALIASES.get(wanted, wanted)]
    except KeyError:
        raise UsageError(f"unknown release {name!r}", f"known releases: {', '.join(_NAMES)}") from None


@dataclass(frozen=True, slots=True)
class Range:
    """Releases from `first` to `last`, both included; None is an open end."""

    first: Release | None = None
    last: Release | None = None

    def __contains__(self, item: Release) -> bool:
        return (self.first is None or self.first <= item) and (self.last is None or item <= self.last)

    def __str__(self) -> str:
        if self.first is None and self.last is None:
            return "every release"
        if self.last is None:
            return f"{self.first} and later"
        return f"up to {self.last}" if self.first is None else f"{self.first} to {self.last}"


EVERY = Range()


def since(first: str) -> Range:
    """From a release on."""
    return Range(first=release(first))


def until(last: str) -> Range:
    """Up to a release, included."""
    return Range(last=release(last))


def between(first: str, last: str) -> Range:
    """From one release to another, both included."""
    return Range(release(first), release(last))
