"""The sentences for what a survey or a sync found. All are warnings: exit 1 says that something is reported."""

from __future__ import annotations

from collections.abc import Mapping

from dbaudit.ec2.form import Trouble
from dbaudit.ec2.ruling import KEPT, OCCUPIED, SKIPPED
from dbaudit.ec2.survey import DIFFERENT, ONLY_GRIZZLY, ONLY_HAVANA, Survey, Tally
from dbaudit.finding import Effect, Finding, Severity

CONFLICT, HELD = "conflict", "deletes-held"
# By kind: the table, what it is, and what to do.
SENTENCES: Mapping[str, tuple[str, str, str]] = {
    ONLY_GRIZZLY: (
        "ec2_credential", "{count} key(s) are in Grizzly only", "`dbaudit ec2 sync` creates them in Havana.",
    ),
    ONLY_HAVANA: (
        "credential", "{count} key(s) are in Havana only",
        "`dbaudit ec2 sync` creates them in Grizzly, but for those that it cannot hold.",
    ),
    DIFFERENT: (
        "ec2_credential", "{count} key(s) are not the same on both sides",
        "A sync that has a base carries over what changed on one side; the rest needs `--on-conflict`.",
    ),
    Trouble.TRUST: (
        "credential", "{count} key(s) are limited by a trust or an application credential, which Grizzly cannot "
        "record: there they would have all rights of their user", "They stay in Havana; nothing is to be done.",
    ),
    Trouble.NO_PROJECT: (
        "credential", "{count} key(s) of Havana have no project, and are not carried over to Grizzly",
        "Give them a project, or let them be.",
    ),
    Trouble.NO_USER: (
        "ec2_credential", "{count} key(s) of Grizzly have no user, without which Havana can hold none",
        "Give them a user, or delete them.",
    ),
    Trouble.TOO_LONG: (
        "credential", "{count} key(s) of Havana have more letters than the 64 that Grizzly holds",
        "Their owners make new ones with the EC2 API.",
    ),
    Trouble.LETTERS: (
        "credential", "{count} key(s) of Havana have letters that Grizzly's utf8 cannot hold",
        "Their owners make new ones with the EC2 API.",
    ),
    Trouble.COLLIDING: (
        "ec2_credential", "{count} keys are not told apart by the collation of `ec2_credential`, which holds one each",
        "Delete all but one of each, or give the column a binary collation.",
    ),
    Trouble.ENCRYPTED: (
        "credential", "{count} row(s) are encrypted (Newton and later), and out of reach without their key repository",
        "Name the repository: `--fernet-keys DIR`.",
    ),
    Trouble.UNREADABLE: (
        "credential", "{count} row(s) of type ec2 hold no key that can be read",
        "Look at them; nothing reads them, and they are left alone.",
    ),
    Trouble.TWICE: (
        "credential", "{count} row(s) are JSON encoded twice, as the v3 API does: Havana's EC2 API answers 500 for "
        "all keys of their users", "Write them again with the EC2 API, or encode them once.",
    ),
    Trouble.WRONG_ID: (
        "credential", "{count} row(s) have an id that is not the SHA-256 of their access key: no EC2 API finds them",
        "Set the id, or delete them; they are not carried over.",
    ),
    Trouble.RANDOM_ID: (
        "credential", "{count} row(s) of type ec2 have a random id, as Grizzly's v3 API gives: no EC2 API finds them",
        "Set the id to SHA2(access, 256), or delete them; they are not carried over.",
    ),
    Trouble.SEVERAL: (
        "credential", "{count} key(s) have several rows, of which the EC2 API sees one",
        "Delete the rows whose id is not the SHA-256 of the access key.",
    ),
    Trouble.ORPHAN: (
        "ec2_credential", "{count} key(s) belong to a user or a project that does not exist",
        "They are carried over all the same, as migration 033 does. `dbaudit ec2 sync --prune-orphans` deletes those "
        "whose owner was deleted; `--external-identity` where users live in LDAP.",
    ),
    CONFLICT: (
        "ec2_credential", "{count} key(s) are in conflict: {why}. Nothing was done about them",
        "`--on-conflict grizzly` or `--on-conflict havana` says which side is right.",
    ),
    HELD: (
        "ec2_credential", "{count} deletes wait: more keys would go than the safety valve lets through",
        "If they are meant: `--confirm-deletes {plain}`.",
    ),
    SKIPPED: (
        "ec2_credential", "{count} key(s) without a user or project were skipped", "`--skip-orphans` asks for that.",
    ),
    KEPT: (
        "ec2_credential", "{count} key(s) without a user or project were not pruned: a side does not tell its own",
        "An empty or missing table says nothing. Where users live in LDAP, give `--external-identity` instead of "
        "`--prune-orphans`.",
    ),
    OCCUPIED: (
        "credential", "{count} key(s) cannot be written to Havana: another row stands under their id",
        "Look at those rows, and delete what is wrong.",
    ),
}  # fmt: skip
UNKNOWN = (
    "credential",
    "{count} key(s) could not be written: {kind}",
    "Look at these keys; all others were carried over.",
)


def findings(found: Survey) -> tuple[Finding, ...]:
    """A finding for each kind that was seen, in the order of the list above."""
    order = [*(kind for kind in SENTENCES if kind in found.tallies), *sorted(found.tallies.keys() - SENTENCES.keys())]
    return tuple(finding(kind, found.tallies[kind]) for kind in order)


def finding(kind: str, tally: Tally, why: str = "") -> Finding:
    """The finding of one kind."""
    table, message, remedy = SENTENCES.get(kind, UNKNOWN)
    words = {"kind": kind, "count": f"{tally.count:,}", "plain": str(tally.count), "why": why}
    return Finding(
        check=f"ec2.{kind.replace(' ', '-')}",
        severity=Severity.WARNING,
        effect=Effect.ADVICE,
        object=table,
        message=message.format(**words),
        count=tally.count,
        keys=tuple(tally.keys),
        facts={"kind": str(kind)},
        evidence=tuple(tally.details),
        remedy=remedy.format(**words),
    )
