"""What a service's migration numbers and revisions say about its release: `checks/<service>/releases.json`,
typed.

The numbers up to the last release with a step catalogue are in `steps.json`; here are those that came
later, Alembic's revisions, and the tables by which a service is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from dbaudit import packs
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.catalogue import load_catalogue, normal
from dbaudit.release import Release, release

# Glance's revisions carry the series that brought them: `2024_1_contract01`, `ocata_expand01`.
_SERIES = re.compile(r"(?P<series>[a-z]+|\d{4}_\d)_(?:expand|migrate|contract)\d+$")


@dataclass(frozen=True)
class Lineage:
    """A service's numbers and heads by release, and the tables of which `enough` make a database its own."""

    service: str
    tables: frozenset[str]
    enough: int
    numbers: Mapping[Release, Mapping[str, int]]
    heads: Mapping[Release, frozenset[str]]
    revisions: frozenset[str]

    def by_numbers(self, versions: Mapping[str, int]) -> tuple[Release | None, bool]:
        """The last release whose numbers were all reached, and whether they are exactly its numbers.

        None for numbers before the first release that is known, and for numbers beyond the last.
        """
        versions = normal(versions)
        reached = [at for at, numbers in self.numbers.items() if _reached(versions, numbers)]
        if not reached:
            return None, False
        at = max(reached)
        exact = all(versions[name] == number for name, number in self.numbers[at].items())
        return (at, exact) if exact or at < max(self.numbers) else (None, False)

    def by_revisions(self, revisions: Iterable[str]) -> Release | None:
        """The first release that has exactly these heads; None for unknown ones and for those between
        releases.
        """
        present = frozenset(revisions)
        for at, heads in self.heads.items():
            if heads == present:
                return at
        series = {match["series"] for revision in present if (match := _SERIES.match(revision))}
        if len(series) != 1 or len(present) != 1 or self.service != "glance":
            return None
        try:
            return release(series.pop().replace("_", "."))
        except UsageError:
            return None


def _reached(versions: Mapping[str, int], numbers: Mapping[str, int]) -> bool:
    return all(versions.get(name, -1) >= number for name, number in numbers.items())


@cache
def load_lineage(service: str) -> Lineage | None:
    """The lineage of a service, None where none is shipped. Raises DbauditError for a file that is broken."""
    path = packs.find(service, "releases.json")
    if path is None:
        return None
    catalogue = load_catalogue(service)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        numbers = {release(name): dict(each) for name, each in content["numbers"].items()}
        heads = {release(name): frozenset(each) for name, each in content["heads"].items()}
        others = frozenset(content["other_revisions"])
        tables = frozenset(content["tables"])
        enough = int(content["enough"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DbauditError(f"{path}: not a list of releases: {error!r}") from error
    return Lineage(
        service=service,
        tables=tables,
        enough=enough,
        numbers={**(catalogue.releases if catalogue else {}), **numbers},
        heads=dict(sorted(heads.items())),
        revisions=others.union(*heads.values()),
    )
