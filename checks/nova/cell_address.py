"""Cells whose address cannot be made a transport URL.

What is wrong: a cell has no `rpc_host`, or a user name, password or virtual host with letters outside of ASCII, or
parts that are together too long.

Why it matters: migration 200 (Havana) joins the five columns to `transport_url` and drops them. Letters outside of
ASCII stop it (KeyError) after it added the column, so that a second run fails on that (1060). Without a host the URL
leads nowhere; one of more than 255 characters is cut, or refused in a strict SQL mode. Archived cells count as well.

How it came about: cells entered by hand; passwords with special characters, each of which takes three in a URL.

Repair: correct the cell before the upgrade, or note its parts and enter it again afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from sqlalchemy import select

from dbaudit.check import ADVICE, BLOCKS, ERROR, LOSES, MAY, WARNING, Audited, Check, Fact, step

COLUMNS = ("name", "username", "password", "rpc_host", "rpc_port", "rpc_virtual_host")
LONGEST = 255  # characters of transport_url
REASONS = {
    "ascii": "stops (KeyError): a part has letters outside of ASCII",
    "long": f"makes a URL of more than {LONGEST} characters, which is cut or refused",
    "host": "makes a URL that leads nowhere, for there is no host",
}
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("nova", 200),
    message="migration 200, at {count} row(s) of `{object}`, {why}",
    remedy="Correct these cells before the upgrade, or note their parts and enter the URL afterwards.",
)


@check.facts
def unusable(audited: Audited) -> Iterator[Fact]:
    for name in ("cells", "shadow_cells"):
        if name not in audited.schema.tables:
            continue
        cell = getattr(audited.tables, name)
        bad: dict[str, list[str]] = {}
        for row in audited.rows(select(*(cell.c[column] for column in COLUMNS)).order_by(cell.c.id)):
            if reason := fault(row):
                bad.setdefault(reason, []).append(str(row["name"]))
        for reason, cells in sorted(bad.items()):
            facts = {"reason": reason, "why": REASONS[reason]}
            kinds = {"ascii": (ERROR, BLOCKS, None), "long": (ERROR, LOSES, MAY), "host": (WARNING, ADVICE, None)}
            severity, effect, certainty = kinds[reason]
            yield Fact(
                name, facts, count=len(cells), keys=tuple(cells), severity=severity, effect=effect, certainty=certainty
            )


def fault(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the address of a cell, None for nothing. Nothing of it is shown."""
    parts = [row[column] or "" for column in ("username", "password", "rpc_virtual_host")]
    if not all(part.isascii() for part in parts):
        return "ascii"
    port = "" if row["rpc_port"] is None else f":{row['rpc_port']}"
    length = len(f"rabbit://{row['rpc_host'] or ''}{port}/") + sum(len(quote(part, "")) for part in parts)
    length += 2 if parts[1] else 1 if parts[0] else 0  # the colon before a password, and the @
    return "long" if length > LONGEST else None if row["rpc_host"] else "host"
