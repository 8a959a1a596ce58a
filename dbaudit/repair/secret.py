"""What is shown of values that are secrets: enough to tell two apart in one report, and no help to guess them."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

# A key of this process alone: without it, short secrets could be tried.
_KEY = secrets.token_bytes(16)
_SHOWN = 8  # hex digits
# Columns whose values are secrets, or may hold some.
COLUMNS = frozenset(
    ("secret", "password", "password_hash", "blob", "encrypted_blob", "provider_auth", "auth_key", "key_hash", "extra",
     "connection_info", "connection", "transport_url", "database_connection", "key_data", "user_data", "access")
)  # fmt: skip
# Tables whose primary key is a secret itself: who knows a token's id, or an access key, has half of it.
TABLES = frozenset(("token", "ec2_credential", "access_token", "request_token"))


def shown(table: str, column: str, value: Any) -> Any:
    """A value as a plan or a report may have it."""
    if value is None or not (column.partition(":")[0] in COLUMNS or (table in TABLES and column in ("id", "access"))):
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    data = value if isinstance(value, bytes) else str(value).encode()
    return f"#{hashlib.blake2b(data, key=_KEY).hexdigest()[:_SHOWN]}"
