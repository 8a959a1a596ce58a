"""Schemas of a release that are as right as the reference: `checks/<service>/variants.json`, typed.

    {"format": 1, "variants": [{"name": "...", "why": "...", "since": "icehouse", "until": "kilo",
                                "differences": [{"kind": "column", "table": "...", ...}]}]}

A difference is matched by the fields of `Difference` that are given (`change`, `kind`, `table`, `name`,
`attribute`, `left`, `right`; left is the reference); `*` in a value stands for any text, a field that is
absent for any value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from dbaudit import packs
from dbaudit.errors import DbauditError
from dbaudit.release import Range, Release, release
from dbaudit.schema.difference import Difference

_FIELDS = frozenset(("change", "kind", "table", "name", "attribute", "left", "right"))


@dataclass(frozen=True)
class Variant:
    """A way in which a database may differ from the reference; `why` is half a sentence for people."""

    name: str
    why: str
    releases: Range
    patterns: tuple[Mapping[str, str], ...]

    def covers(self, difference: Difference) -> bool:
        """Whether the difference is one of this variant's."""
        return any(_matches(difference, pattern) for pattern in self.patterns)


def _matches(difference: Difference, pattern: Mapping[str, str]) -> bool:
    return all(fnmatchcase(str(getattr(difference, field) or ""), text) for field, text in pattern.items())


def explain(
    service: str, at: Release, differences: Iterable[Difference]
) -> tuple[tuple[Difference, Variant | None], ...]:
    """Each difference from a reference of this release with the variant that it belongs to, None for real
    drift.
    """
    variants = [variant for variant in load_variants(service) if at in variant.releases]
    return tuple((each, next((v for v in variants if v.covers(each)), None)) for each in differences)


@cache
def load_variants(service: str) -> tuple[Variant, ...]:
    """The known variants of a service, none where none are shipped.

    Raises DbauditError for a file that is broken.
    """
    path = packs.find(service, "variants.json")
    if path is None:
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["variants"]
        return tuple(_variant(entry) for entry in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise DbauditError(f"{path}: not a list of variants: {error!r}") from error


def _variant(entry: Mapping[str, object]) -> Variant:
    patterns = entry["differences"]
    if not isinstance(patterns, list) or any(set(pattern) - _FIELDS for pattern in patterns):
        raise ValueError(f"fields of a difference are {', '.join(sorted(_FIELDS))}")
    first, last = (release(str(entry[key])) if key in entry else None for key in ("since", "until"))
    return Variant(str(entry["name"]), str(entry["why"]), Range(first, last), tuple(patterns))
