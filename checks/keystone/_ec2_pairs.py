"""The two rows of an EC2 key as migration 033 sees them, for the checks of one database that has both tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func, select

from dbaudit.check import Tables
from dbaudit.packs.keystone._ec2 import decode


def decoded(blob: Any) -> Mapping[str, Any] | None:
    """The blob as migration 033 reads it: one JSON decoding that must give a filled object; None otherwise."""
    found = decode(blob)
    return found.value if found is not None and found.encodings == 1 else None


def pairs(t: Tables) -> Select[Any]:
    """Each row of `ec2_credential` with the `credential` row that migration 033 looks up for it, if there is one.

    The id of that row is the lower-case hex SHA-256 of the access key, whatever its type says.
    """
    old, new = t.ec2_credential, t.credential
    return (
        select(
            old.c.access, old.c.secret, old.c.user_id, old.c.tenant_id,
            new.c.id, new.c.blob, new.c.project_id, new.c.user_id.label("owner"),
        )
        .select_from(old.outerjoin(new, new.c.id == func.sha2(old.c.access, 256)))
        .order_by(old.c.access)
    )  # fmt: skip
