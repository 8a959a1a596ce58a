"""How EC2 keys are written in keystone's tables, shared by the checks of this pack. Nothing here shows a secret."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Select, func, select

from dbaudit.check import Tables


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


def decoded(blob: Any) -> dict[str, Any] | None:
    """The blob as migration 033 reads it: one JSON decoding that must give a filled object; None otherwise.

    A blob that was encoded twice gives a string here and is refused, as upstream refuses it.
    """
    text = blob.decode("utf-8", "surrogateescape") if isinstance(blob, bytes) else blob
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return None
    return value if isinstance(value, dict) and value else None
