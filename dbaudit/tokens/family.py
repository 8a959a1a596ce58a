"""What is dead in each of keystone's growing tables, in SQL, and what goes with it.

One value a table. What the tables hold, and when a row is dead, is keystone's, from Grizzly to today; a table that is
absent is none of this database's release and is not mentioned. No rows are read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbaudit.finding import Skipped
from dbaudit.schema.model import ForeignKey, Index, IndexKind, Schema, Table
from dbaudit.schema.text import name as quoted
from dbaudit.tokens.retention import UNTOLD, Cutoff, Retention


@dataclass(frozen=True, slots=True)
class Child:
    """Rows of another table that go with a dead one: `columns` there name `parent` columns here."""

    table: str
    columns: tuple[str, ...]
    parent: tuple[str, ...]
    why: str
    stored: tuple[str, ...] = ()  # columns that hold values of their own: generated ones left out
    cascades: bool = True  # by a foreign key; else nothing but keystone ties them


@dataclass(frozen=True, slots=True)
class Expiry:
    """The column by whose index dead rows are found, and the literal below which they are dead."""

    column: str
    index: str
    below: str


@dataclass(frozen=True, slots=True)
class Family:
    """A table with dead rows. `dead`, `never`, `invalid` are conditions on a row of it.

    `never`: expires never, reported and never deleted. `invalid`: revoked but not expired, which must stay.
    """

    table: str
    key: tuple[str, ...]
    stored: tuple[str, ...]
    dead: str
    rule: str
    never: str = "FALSE"
    invalid: str = "FALSE"
    expiry: Expiry | None = None
    children: tuple[Child, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """The table in backticks."""
        return quoted(self.table)


_Rule = Callable[[Table, Schema, Cutoff, Retention], Family | str]


def families(
    schema: Schema, cutoff: Cutoff, retention: Retention, only: Sequence[str] = ()
) -> tuple[tuple[Family, ...], tuple[Skipped, ...]]:
    """The tables that can be flushed, and those that are there and cannot, each with its reason."""
    found: list[Family] = []
    skipped: list[Skipped] = []
    for name, rule in _RULES.items():
        if only and name not in only:
            continue
        table = next((each for key, each in schema.tables.items() if key.lower() == name), None)
        if table is None:
            continue
        family = refusal(table, schema) or rule(table, schema, cutoff, retention)
        if isinstance(family, str):
            skipped.append(Skipped(f"tokens.{name}", family))
        else:
            found.append(family)
    return tuple(found), tuple(skipped)


def refusal(table: Table, schema: Schema) -> str:
    """Why rows of a table cannot be deleted in safety; empty where they can."""
    if table.primary_key is None:
        return f"`{table.name}` has no primary key, by which to walk it"
    if (table.engine or "InnoDB").lower() != "innodb":
        return f"`{table.name}` is {table.engine}: only InnoDB deletes a chunk as a whole or not at all"
    for trigger in schema.triggers.values():
        if trigger.table.lower() == table.name.lower() and trigger.event.upper() == "DELETE":
            return f"the trigger `{trigger.name}` runs on each row deleted from `{table.name}`: drop it first"
    for child, key in _referring(table, schema):
        if (key.on_delete or "RESTRICT").upper() != "CASCADE":
            return f"rows of `{child.name}` hold rows of `{table.name}` by foreign key `{key.name}` without a cascade"
        if next(_referring(child, schema), None) or (reason := refusal_of_child(child, schema)):
            return f"`{table.name}` cascades to `{child.name}`, {reason or 'which other tables refer to'}"
    return ""


def refusal_of_child(child: Table, schema: Schema) -> str:
    """Why rows of a child cannot go with their parent; empty where they can."""
    if any(each.table.lower() == child.name.lower() for each in schema.triggers.values() if each.event == "DELETE"):
        return "which has a trigger on deletes"
    return "" if (child.engine or "InnoDB").lower() == "innodb" else f"which is {child.engine}"


def _referring(table: Table, schema: Schema) -> Iterator[tuple[Table, ForeignKey]]:
    for child in schema.tables.values():
        for key in child.foreign_keys:
            if key.referred_table.lower() == table.name.lower() and key.referred_schema in (None, schema.name):
                yield child, key


def _base(table: Table, schema: Schema) -> dict[str, Any]:
    key = table.primary_key
    assert key is not None
    children = tuple(
        Child(child.name, key_.columns, key_.referred_columns, f"foreign key `{key_.name}`, ON DELETE CASCADE",
              _stored(child))
        for child, key_ in _referring(table, schema)
    )  # fmt: skip
    return {"table": table.name, "key": key.columns, "stored": _stored(table), "children": children}


def _stored(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.generated is None)


def _expiry(table: Table, column: str, below: str) -> Expiry | None:
    """The narrowest index that begins with the column, whole, and that the optimizer may use."""
    fitting = [
        each
        for each in table.indexes
        if each.kind in (IndexKind.PLAIN, IndexKind.UNIQUE) and each.visible and _begins(each, column)
    ]
    best = min(fitting, key=lambda each: len(each.parts), default=None)
    return Expiry(column, best.name, below) if best else None


def _begins(index: Index, column: str) -> bool:
    first = index.parts[0]
    return (first.column or "").lower() == column and first.length is None and not first.descending


def _lacks(table: Table, *columns: str) -> str:
    missing = [each for each in columns if table.column(each) is None]
    return f"`{table.name}` has no column {', '.join(missing)}: it is not keystone's" if missing else ""


def _token(table: Table, schema: Schema, cutoff: Cutoff, _: Retention) -> Family | str:
    if reason := _lacks(table, "expires", "valid"):
        return reason
    below = cutoff.literal()
    return Family(
        **_base(table, schema),
        dead=f"`expires` < {below}",
        rule=f"expires before {below}",
        never="`expires` IS NULL",
        invalid=f"`valid` = 0 AND `expires` >= {below}",
        expiry=_expiry(table, "expires", below),
        note="expires NULL: reported, never deleted; not yet expired but invalid: kept, they are the revocation list",
    )


def _revocation_event(table: Table, schema: Schema, cutoff: Cutoff, retention: Retention) -> Family | str:
    if reason := _lacks(table, "revoked_at"):
        return reason
    if retention.expiration is None:
        return UNTOLD
    below = cutoff.literal(retention.expiration + retention.buffer)
    said = retention.said.get("expiration", "default")
    return Family(
        **_base(table, schema),
        dead=f"`revoked_at` < {below}",
        rule=f"revoked_at before {below}: the cutoff minus {retention.expiration} s ({said}) and {retention.buffer} s",
        expiry=_expiry(table, "revoked_at", below),
        note="an event must outlive every token that it revokes: [token] expiration must be the right one",
    )


def _trust(table: Table, schema: Schema, cutoff: Cutoff, _: Retention) -> Family | str:
    if reason := _lacks(table, "id", "deleted_at", "expires_at"):
        return reason
    base = _base(table, schema)
    expired = f"`expires_at` < {cutoff.literal()}"
    if table.column("expires_at_int"):  # from Queens on it counts where it is set
        expired = f"IF(`expires_at_int` IS NULL, {expired}, `expires_at_int` < {cutoff.microseconds})"
    roles = schema.tables.get("trust_role")
    if roles is not None and not any(each.table == roles.name for each in base["children"]):
        why = "no foreign key; keystone-manage trust_flush leaves them behind"
        child = Child(roles.name, ("trust_id",), ("id",), why, _stored(roles), cascades=False)
        base["children"] = (*base["children"], child)
    return Family(
        **base,
        dead=f"(`deleted_at` IS NOT NULL OR {expired})",
        rule=f"soft-deleted, or expires_at before {cutoff.literal()}",
        never="`deleted_at` IS NULL AND `expires_at` IS NULL"
        + (" AND `expires_at_int` IS NULL" if table.column("expires_at_int") else ""),
        note="a trust without an expiry is for ever, and stays",
    )


def _application_credential(table: Table, schema: Schema, cutoff: Cutoff, _: Retention) -> Family | str:
    if reason := _lacks(table, "expires_at"):
        return reason
    below = str(cutoff.microseconds)
    return Family(
        **_base(table, schema),
        dead=f"`expires_at` < {below}",
        rule=f"expires_at before {below} microseconds since 1970",
        never="`expires_at` IS NULL",
        expiry=_expiry(table, "expires_at", below),
        note="a credential without an expiry is for ever, and stays",
    )


def _membership(table: Table, schema: Schema, cutoff: Cutoff, retention: Retention) -> Family | str:
    if reason := _lacks(table, "last_verified", "idp_id"):
        return reason
    provider = schema.tables.get("identity_provider")
    if provider is None or provider.column("authorization_ttl") is None:
        return "`identity_provider` has no column authorization_ttl, which says how long a membership holds"
    default = "NULL" if retention.default_ttl is None else str(retention.default_ttl)
    ttl = (
        "(SELECT COALESCE(NULLIF(p.`authorization_ttl`, 0), "
        f"{default}) FROM `identity_provider` p WHERE p.`id` = {quoted(table.name)}.`idp_id`)"
    )
    unknown = "" if retention.default_ttl is not None else (
        "memberships by a provider without authorization_ttl are left alone: [federation] default_authorization_ttl "
        "is not known; name keystone.conf with --config, or give --authorization-ttl"
    )  # fmt: skip
    return Family(
        **_base(table, schema),
        dead=f"`last_verified` < {cutoff.literal()} - INTERVAL {ttl} MINUTE",
        rule=f"last_verified and the provider's authorization_ttl before {cutoff.literal()}",
        never=f"{ttl} IS NULL",
        note=unknown,
    )


_RULES: Mapping[str, _Rule] = {
    "token": _token,
    "revocation_event": _revocation_event,
    "trust": _trust,
    "application_credential": _application_credential,
    "expiring_user_group_membership": _membership,
}
TABLES = tuple(_RULES)
