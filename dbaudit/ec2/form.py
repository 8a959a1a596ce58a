"""A key as each side keeps it: reading rows of either table, and the rows that the releases themselves would write.

The canonical form and the decoder are those of the keystone pack, which its checks share. What stands against
carrying a key to a side is told by `obstacle`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dbaudit.ec2.fernet import Vault
from dbaudit.packs.keystone import _ec2 as pack

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Blob, Key

# Characters that `access` and `secret` of `ec2_credential` hold.
WIDTH = 64
# What the ORM writes for a row without further attributes.
EXTRA = "{}"
TYPE = "ec2"

key_id = pack.row_id


class Trouble(StrEnum):
    """Why a key is not carried over, or what is odd about a row."""

    TRUST = "trust-bound"
    NO_PROJECT = "no-project"
    NO_USER = "no-user"
    TOO_LONG = "too-long"
    LETTERS = "letters"
    COLLIDING = "case-colliding"
    ENCRYPTED = "encrypted"
    UNREADABLE = "unreadable"
    TWICE = "double-encoded"
    WRONG_ID = "wrong-id"
    RANDOM_ID = "random-id"
    SEVERAL = "several-rows"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Row:
    """A `type='ec2'` row of `credential`; `key` is None where `trouble` says that it cannot be read."""

    id: str
    key: Key | None
    encodings: int = 0
    trouble: Trouble | None = None

    @property
    def named(self) -> str:
        """How reports name it: the access key, or the id where that cannot be read."""
        return self.id if self.key is None else self.key.access


def grizzly_key(access: str, secret: str | None, user: str | None, tenant: str | None) -> Key:
    """The key of a row of `ec2_credential`."""
    key: Key = pack.Key(access, secret, user, tenant)
    return key


def havana_row(
    id: str, user: str | None, project: str | None, blob: str | None, encrypted: str | None = None,
    vault: Vault | None = None,
) -> Row:  # fmt: skip
    """A row of `credential`, whichever of the two columns its blob is in."""
    text = blob
    if text is None and encrypted is not None:
        text = (vault or Vault()).open(encrypted)
        if text is None:
            return Row(id, None, trouble=Trouble.ENCRYPTED)
    found: Blob | None = pack.decode(text)
    key: Key | None = pack.key_of(found, user, project)
    if found is None or key is None:
        return Row(id, None, trouble=Trouble.UNREADABLE)
    if key.id != id:
        # The v3 API of Grizzly gives uuid4().hex; 64 digits that are not the hash were made by hand.
        return Row(id, key, found.encodings, Trouble.RANDOM_ID if len(id) != len(key.id) else Trouble.WRONG_ID)
    return Row(id, key, found.encodings)


def blob_of(key: Key) -> str:
    """The blob that Havana's EC2 API writes: encoded once, always with a trust id, in the order of Python 2.7."""
    return json.dumps({"access": key.access, "secret": key.secret, "trust_id": None})


def obstacle_in_grizzly(key: Key) -> Trouble | None:
    """Why `ec2_credential` cannot hold a key of Havana; None where it can."""
    if key.limits:
        return Trouble.TRUST
    if key.project is None:
        return Trouble.NO_PROJECT
    if len(key.access) > WIDTH or len(key.secret or "") > WIDTH:
        return Trouble.TOO_LONG
    text = key.access + (key.secret or "")
    if not text.isascii() and any(ord(letter) > 0xFFFF or 0xD800 <= ord(letter) < 0xE000 for letter in text):
        return Trouble.LETTERS  # utf8 of three bytes
    return None


def obstacle_in_havana(key: Key) -> Trouble | None:
    """Why `credential` cannot hold a key of Grizzly; None where it can."""
    return Trouble.NO_USER if key.user is None else None
