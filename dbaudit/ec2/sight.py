"""How keys are seen: what it takes to read and to judge a row, and a key that is to be looked at under locks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.form import Row, havana_row
from dbaudit.ec2.packed import Values
from dbaudit.ec2.ruling import Judge, Ruling
from dbaudit.reconcile import Verb

NOTHING = Ruling(Verb.KEEP)


@dataclass(frozen=True, slots=True)
class Want:
    """A key that is to be looked at under locks: its id, its access key where that is known, what seemed to be due."""

    id: str
    access: str
    ruling: Ruling = NOTHING


@dataclass(frozen=True)
class Sight:
    """What it takes to see: how blobs are read, who judges, whether blobs must be encoded once.

    `rest` is called every now and then: a scan beside other work lets that go first.
    """

    vault: Vault
    judge: Judge
    blobs: tuple[str, ...] = ("blob",)
    single: bool = True
    rest: Callable[[], None] = lambda: None


def parsed(row: Values, sight: Sight) -> Row:
    """A row of `credential`, its columns id, user, project and those of blobs, decoded."""
    blobs = dict(zip(sight.blobs, row[3:], strict=True))
    return havana_row(row[0] or "", row[1], row[2], blobs.get("blob"), blobs.get("encrypted_blob"), sight.vault)
