"""`dbaudit ec2 check`: look at both sides, and say what differs and what cannot be carried over. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dbaudit.comparison.side import Side
from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.findings import findings
from dbaudit.ec2.sides import GRIZZLY, HAVANA, Pair, described, fold, grizzly_keys, havana_rows, owners, pair
from dbaudit.ec2.survey import Owners, Survey, Views, survey
from dbaudit.finding import Skipped, Verdict
from dbaudit.result import Result


@dataclass(frozen=True, slots=True)
class Wishes:
    """What looking takes beside the operands. `external`: users live elsewhere, so that nobody is missing here."""

    vault: Vault = field(default_factory=Vault)
    external: bool = False


def check(sides: Sequence[Side], wishes: Wishes) -> Result:
    """What is to be said about one database with both tables, or two. Exit 0 where both sides are in step."""
    both = pair(sides)
    known = {} if wishes.external else owners_of(both)
    views = Views(known, fold(both.grizzly), both.single)
    found = survey(grizzly_keys(both.grizzly), havana_rows(both.havana, wishes.vault), views)
    told = findings(found)
    return Result(
        command="ec2 check",
        verdict=Verdict.WARNINGS if told else Verdict.CLEAN,
        databases=tuple(described(side) for side in both.sides),
        findings=told,
        skipped=tuple(skips(known, wishes.external)),
        notes=(summary(both, found),),
        extra={"ec2": {"grizzly": found.grizzly, "havana": found.havana, "in_step": found.same}},
    )


def owners_of(both: Pair) -> dict[str, Owners]:
    """Who is known on each side, by the name of the side."""
    return {GRIZZLY: owners(both.grizzly)} | ({} if both.grizzly is both.havana else {HAVANA: owners(both.havana)})


def skips(known: dict[str, Owners], external: bool) -> list[Skipped]:
    """Why owners were not looked for."""
    if external:
        return [Skipped("ec2.orphan", "users and projects live elsewhere (--external-identity)")]
    return [
        Skipped("ec2.orphan", f"{side} has no {table} in its tables")
        for side, owners in known.items()
        for table, ids in (("user", owners.users), ("project", owners.projects))
        if ids is None
    ]


def summary(both: Pair, found: Survey) -> str:
    """How much was looked at, in a sentence."""
    return (
        f"{found.grizzly:,} keys in {GRIZZLY} ({both.grizzly.label}), {found.havana:,} rows in {HAVANA} "
        f"({both.havana.label}), {found.same:,} keys in step"
    )
