"""The revisions of an Alembic project as a graph: which are still to run on a database, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbaudit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: `needs` are those before it and those it depends on, `branches` the labels of its branch."""

    name: str
    needs: tuple[str, ...]
    branches: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Graph:
    """All revisions, in an order in which none comes before what it needs."""

    revisions: Mapping[str, Revision]

    @classmethod
    def read(cls, entries: Iterable[Mapping[str, object]]) -> Graph:
        """The graph that `alembic_driver` answers with."""
        found = {}
        for each in entries:
            needs, branches = each["needs"], each["branches"]
            assert isinstance(needs, list) and isinstance(branches, list)
            name, title = str(each["revision"]), " ".join(str(each["title"]).split())
            found[name] = Revision(name, tuple(map(str, needs)), tuple(map(str, branches)), title)
        return cls(found)

    @property
    def branches(self) -> tuple[str, ...]:
        """Every label of a branch, in order of name."""
        return tuple(sorted({label for each in self.revisions.values() for label in each.branches}))

    def behind(self, heads: Iterable[str]) -> frozenset[str]:
        """These revisions and all that they need. Raises UsageError for one that the project does not have."""
        open_, found = list(heads), set()
        while open_:
            name = open_.pop()
            if name not in self.revisions:
                raise UsageError(
                    f"the database stands at revision {name}, which the project does not have",
                    "take the project in the release that is to be upgraded to; it must know the way from there",
                )
            if name not in found:
                found.add(name)
                open_ += self.revisions[name].needs
        return frozenset(found)

    def pending(self, heads: Iterable[str], branches: Sequence[str] = ()) -> tuple[Revision, ...]:
        """The revisions that an upgrade to all heads runs on a database that stands at `heads`, in order.

        With `branches` only those of these branches, one branch after the other, each revision after what it needs.
        Raises UsageError for a branch that there is not.
        """
        if unknown := [label for label in branches if label not in self.branches]:
            known = ", ".join(self.branches) or "none"
            raise UsageError(f"the project has no branch {unknown[0]!r}", f"its branches: {known}")
        order, done = [], set(self.behind(heads))
        for wanted in self._wanted(branches):
            # Depth first, without recursion: chains can be longer than Python's stack.
            stack = [wanted]
            while stack:
                each = self.revisions[stack[-1]]
                needs = [name for name in each.needs if name not in done]
                if needs:
                    stack += reversed(needs)
                    continue
                stack.pop()
                if each.name not in done:
                    done.add(each.name)
                    order.append(each)
        return tuple(order)

    def _wanted(self, branches: Sequence[str]) -> list[str]:
        if not branches:
            return list(self.revisions)
        return [each.name for label in branches for each in self.revisions.values() if label in each.branches]
