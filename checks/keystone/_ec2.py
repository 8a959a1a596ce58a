"""EC2 keys in keystone's tables: the one decoder and the one canonical form, for the checks and for `dbaudit ec2`.

Grizzly keeps a key as a row of `ec2_credential`, Havana and later as a `type='ec2'` row of `credential`, whose blob
has been written in several encodings. Nothing here shows a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# JSON decodings that a reader tries: the v3 API encodes twice; one more is what keystone's own readers allow.
DEPTH = 3
# What limits a key in ways that `ec2_credential` cannot record: Havana's trusts, later application credentials, OAuth.
LIMITS = ("trust_id", "app_cred_id", "access_token_id")


@dataclass(frozen=True, slots=True)
class Key:
    """The canonical form of a key: two rows are the same where these are equal. `limits` names what restricts it."""

    access: str
    secret: str | None = field(repr=False)
    user: str | None
    project: str | None
    limits: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id that `credential` has for it."""
        return row_id(self.access)

    def differences(self, other: Key) -> tuple[str, ...]:
        """What of two rows of one access key differs: secret, user, project, limits."""
        names = ("secret", "user", "project", "limits")
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that was read: its object, and how many times it was JSON encoded."""

    value: Mapping[str, Any] = field(repr=False)
    encodings: int


def row_id(access: str) -> str:
    """Lower-case hex SHA-256 of the bytes of the access key."""
    return hashlib.sha256(access.encode("utf-8", "surrogateescape")).hexdigest()


def decode(blob: Any) -> Blob | None:
    """The object in a blob of any era's encoding; None where there is none, or an empty one."""
    value = blob.decode("utf-8", "surrogateescape") if isinstance(blob, bytes) else blob
    encodings = 0
    while isinstance(value, str) and encodings < DEPTH:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
        encodings += 1
    return Blob(value, encodings) if isinstance(value, dict) and value else None


def key_of(blob: Blob | None, user: str | None, project: str | None) -> Key | None:
    """The key that a row of `credential` holds; None where its blob has no access key or no secret."""
    if blob is None or "secret" not in blob.value:
        return None
    access, secret = blob.value.get("access"), blob.value["secret"]
    if not isinstance(access, str) or not (secret is None or isinstance(secret, str)):
        return None
    if any("\ud800" <= letter <= "\udfff" for letter in access):
        return None  # JSON may hold a half of a pair, which has no bytes, and so no id
    return Key(access, secret, user, project, tuple(name for name in LIMITS if blob.value.get(name)))
