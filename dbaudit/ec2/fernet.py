"""Blobs that keystone encrypts from Newton on: Fernet tokens, readable with the keys of its key repository.

Until a repository is set up keystone uses a key of 32 zero bytes, so such rows are readable by anyone.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from dbaudit.errors import DbauditError

NULL_KEY = base64.urlsafe_b64encode(bytes(32))


class Vault:
    """The keys at hand, primary first; the null key is always among them."""

    def __init__(self, keys: tuple[bytes, ...] = ()) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in (*keys, NULL_KEY)])
        self.primary = keys[0] if keys else None

    def open(self, token: str) -> str | None:
        """The text of a token, None where none of the keys opens it."""
        try:
            return self._fernet.decrypt(token.encode("ascii", "replace")).decode("utf-8", "surrogateescape")
        except InvalidToken:
            return None

    def seal(self, text: str) -> tuple[str, str]:
        """The token of a text under the primary key, and that key's hash, as `key_hash` has it."""
        assert self.primary is not None
        return Fernet(self.primary).encrypt(text.encode()).decode(), key_hash(self.primary)


def key_hash(key: bytes) -> str:
    """SHA-1 in hex, by which keystone tells under which key a row was encrypted. No secret rests on it."""
    return hashlib.sha1(key, usedforsecurity=False).hexdigest()


def read_vault(folder: Path | None) -> Vault:
    """The keys of a repository: files named by numbers, the highest is the primary. DbauditError, without any key."""
    if folder is None:
        return Vault()
    try:
        files = sorted((each for each in folder.iterdir() if each.name.isdigit()), key=lambda each: -int(each.name))
        keys = tuple(each.read_bytes().strip() for each in files)
    except OSError as error:
        raise DbauditError(f"the key repository {folder} cannot be read: {error.strerror}") from None
    if not keys:
        raise DbauditError(
            f"{folder} is no key repository: it has no file named 0, 1, 2 ...", "see [credential] key_repository"
        )
    try:
        return Vault(keys)
    except ValueError:
        raise DbauditError(f"{folder} holds a file that is no Fernet key") from None
