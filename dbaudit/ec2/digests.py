"""Keyed hashes in place of secrets: HMACs under a key in a file of the operator's (mode 0600), never in a database."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from dbaudit.errors import DbauditError
from dbaudit.reconcile import Refused

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key


class Digests:
    """Keyed hashes of keys."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @property
    def proof(self) -> str:
        """Tells whether a base was made with this key."""
        return hmac.digest(self._key, b"dbaudit ec2 base", hashlib.sha256).hex()

    def of(self, key: Key) -> str:
        """The digest of a key: its access key, secret, user and project. NULL is not an empty text."""
        return self.fast(key.access, key.secret, key.user, key.project)

    def fast(self, access: str, secret: str | None, user: str | None, project: str | None) -> str:
        """The same of the values."""
        if secret is None or user is None or project is None:
            parts = (access, secret, user, project)
            text = "".join("-" if part is None else f"{len(part)}:{part}" for part in parts)
        else:
            text = f"{len(access)}:{access}{len(secret)}:{secret}{len(user)}:{user}{len(project)}:{project}"
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def read_digests(path: Path) -> Digests | None:
    """The key in a file, None where there is no file. DbauditError where others may read it, or it is too short."""
    try:
        if path.stat().st_mode & 0o077:
            raise Refused(f"the key file {path} can be read by others than its owner", f"chmod 600 {path}")
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DbauditError(f"the key file {path} cannot be read: {type(error).__name__}") from None
    if len(key) < 32:
        raise DbauditError(f"the key file {path} has fewer than 32 bytes", "it is not dbaudit's; name another")
    return Digests(key)


def make_digests(path: Path) -> Digests:
    """The key in a file, which is made, readable by its owner alone, where it is not there."""
    if found := read_digests(path):
        return found
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DbauditError(
            f"the key file {path} cannot be made: {error.strerror}", "name another: --key-file"
        ) from None
    made = read_digests(path)
    assert made is not None
    return made
