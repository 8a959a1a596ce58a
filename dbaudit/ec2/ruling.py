"""What becomes of one key: the core's decision, and what stands against carrying it out.

The same function judges a scan's stale rows and the rows that are locked; only what it says of those is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dbaudit.ec2.base import Known
from dbaudit.ec2.digests import Digests
from dbaudit.ec2.form import Row, Trouble, obstacle_in_grizzly, obstacle_in_havana
from dbaudit.ec2.owners import Census, look_again
from dbaudit.reconcile import Clash, Decision, Policy, Side, Verb, decide, settle

if TYPE_CHECKING:
    from dbaudit.ec2.link import Link
    from dbaudit.packs.keystone._ec2 import Key

GRIZZLY, HAVANA = Side.LEFT, Side.RIGHT
# A row of Havana that cannot be read, or is another key's, stands where this key would be.
OCCUPIED = "occupied"
SKIPPED = "orphan-skipped"
# It would be pruned, if it were known that the owner is not on the other side.
KEPT = "orphan-kept"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator wants: who is right in conflicts, what becomes of keys without an owner."""

    policy: Policy = Policy.REPORT
    skip_orphans: bool = False
    prune: bool = False
    writable: bool = True  # whether blobs can be written: encrypted ones need a primary key


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done; with `trouble` nothing is, and that is why. `prune` deletes on every side."""

    verb: Verb
    target: Side | None = None
    clash: Clash | None = None
    trouble: str | None = None
    prune: bool = False


@dataclass(frozen=True)
class Judge:
    """Gives rulings."""

    digests: Digests = field(repr=False)
    rules: Rules
    census: Census

    def again(self, link: Link, keys: Iterable[Key]) -> Judge:
        """The same judge, who has looked again for the owners that seem to be missing."""
        known = look_again(link, self.census, keys)
        return self if known is self.census else replace(self, census=known)

    def agrees(self, key: Key, known: Known) -> bool:
        """Whether a key is what the base says. A limited key never is: the base holds what both sides can."""
        return not key.limits and self.digests.of(key) == known.digest

    def rule(self, left: Key | None, row: Row | None, known: Known | None) -> Ruling:
        """The ruling about one key, from its row on each side and in the base."""
        if row is not None and row.trouble is not None:
            taken = left is not None or known is not None
            return Ruling(Verb.KEEP, trouble=OCCUPIED if taken else row.trouble)
        right = None if row is None else row.key
        if self.rules.prune and self._dead(left, right, known):
            return Ruling(Verb.DELETE, prune=True)
        if left is not None and right is not None and right.limits:
            return self._limited(left, right, known)
        decision = settle(decide(left, right, known, self.agrees), self.rules.policy, left, right)
        if decision.verb is Verb.KEEP and left and known and self.census.seen(left) & ~known.seen:
            decision = Decision(Verb.AGREE)  # the base learns of an owner that came later
        return self._possible(decision, left, right)

    def _limited(self, left: Key, right: Key, known: Known | None) -> Ruling:
        """A key that Havana limits and Grizzly does not: neither is copied, but either revocation is to be noticed."""
        told = known is not None and self.agrees(left, known)
        same = left.differences(right) == ("limits",)
        return Ruling(Verb.AGREE if same and not told else Verb.KEEP, trouble=Trouble.TRUST)

    def _dead(self, left: Key | None, right: Key | None, known: Known | None) -> bool:
        seen = known.seen if known is not None else 0
        return any(self.census.deleted(key, seen) for key in (left, right) if key is not None)

    def _possible(self, decision: Decision, left: Key | None, right: Key | None) -> Ruling:
        ruling = Ruling(decision.verb, decision.target, decision.clash)
        if decision.verb not in (Verb.CREATE, Verb.UPDATE):
            return ruling
        source, obstacle = (left, obstacle_in_havana) if decision.target is HAVANA else (right, obstacle_in_grizzly)
        assert source is not None
        trouble: str | None = obstacle(source)
        if trouble is Trouble.NO_PROJECT and left is not None and left.project is None:
            trouble = None  # Grizzly has it without one already
        if trouble is None and decision.target is HAVANA and not self.rules.writable:
            trouble = Trouble.ENCRYPTED
        if trouble is None and self.rules.skip_orphans and decision.verb is Verb.CREATE and self.census.orphan(source):
            trouble = SKIPPED
        return ruling if trouble is None else Ruling(Verb.KEEP, clash=decision.clash, trouble=trouble)
