"""Triggers that mark changed keys, so that following needs no scan each round; and what stands against them.

A trigger that fails would fail the write of the release that fired it. So the bodies swallow every error of theirs (a
mark that is missed is found by the next full scan), they are tried out in a transaction that is rolled back, and they
are refused where the server would not even start them: a definer that is missing, a table without transactions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pymysql

from dbaudit.ec2.link import OWN, Ends
from dbaudit.ec2.sides import DROPS_OLD, NEW, OLD, Pair
from dbaudit.errors import DbauditError
from dbaudit.reconcile import Refused
from dbaudit.repair import faults
from dbaudit.repair.target import Target
from dbaudit.schema.text import name as quoted

# Seconds that CREATE TRIGGER waits for the table. All that the release does with the table waits behind it.
METADATA_WAIT = 3
EVENTS = ("INSERT", "UPDATE", "DELETE")
# Number of keystone's schema at Grizzly: a database between it and the step that drops the table is being upgraded.
GRIZZLY = 22
# Triggers by which keystone of Newton refuses writes between its expand and its contract.
READ_ONLY = ("credential_insert_read_only", "credential_update_read_only")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of ours: its name in its database, and the statements that make and remove it."""

    target: Target
    table: str
    event: str
    create: str

    @property
    def name(self) -> str:
        """Its name."""
        return name_of(self.table, self.event)

    @property
    def drop(self) -> str:
        """The statement that removes it."""
        return f"DROP TRIGGER IF EXISTS {quoted(self.target.database)}.{quoted(self.name)}"


def name_of(table: str, event: str) -> str:
    """The name of our trigger."""
    return f"dbaudit_{table}_{event.lower()}"


def triggers(ends: Ends) -> tuple[Trigger, ...]:
    """All that are needed, Grizzly's first."""
    return tuple(
        Trigger(target, table, event, _create(target, marks, table, event))
        for target, table, marks in (
            (ends.grizzly, OLD, ends.far("ec2_mark")),
            (ends.havana, NEW, ends.table("ec2_mark")),
        )
        for event in EVENTS
    )


def _create(target: Target, marks: str, table: str, event: str) -> str:
    old, key = table == OLD, "access" if table == OLD else "id"
    rows = {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}[event]
    types = " OR ".join(f"{row}.type = 'ec2'" for row in rows)
    ours = "" if old else f" AND ({types})"
    literal = "'" + target.database.replace("\\", "\\\\").replace("'", "''") + "'"
    values = ", ".join(
        f"({literal}, '{'g' if old else 'h'}', CAST(CONVERT({row}.{key} USING utf8mb4) AS BINARY), UTC_TIMESTAMP(6))"
        for row in rows
    )
    return (
        f"CREATE TRIGGER {quoted(target.database)}.{quoted(name_of(table, event))} AFTER {event}\n"
        f"  ON {quoted(target.database)}.{quoted(table)} FOR EACH ROW\nBEGIN\n"
        "  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;\n"
        f"  IF {OWN} IS NULL{ours} THEN\n"
        f"    INSERT INTO {marks} (db, side, name, at)\n      VALUES {values};\n  END IF;\nEND"
    )


def refusals(pair: Pair, ends: Ends) -> tuple[str, ...]:
    """Why the triggers are not to be made, in sentences; empty where nothing stands against them."""
    return tuple(_refusals(pair, ends))


def _refusals(pair: Pair, ends: Ends) -> Iterator[str]:
    number = pair.grizzly.versions.numbers.get("keystone")
    if number is not None and number < DROPS_OLD and (number > GRIZZLY or pair.grizzly is pair.havana):
        yield f"{ends.grizzly.shown} stands at migration {number}: {DROPS_OLD} is pending there, and drops `{OLD}`"
    for target, table, side in ((ends.grizzly, OLD, pair.grizzly), (ends.havana, NEW, pair.havana)):
        if (side.schema.tables[table].engine or "InnoDB").lower() != "innodb":
            yield f"`{table}` of {target.shown} is not InnoDB: a mark would stay where the change is rolled back"
        with target.session() as connection, connection.cursor() as cursor:
            yield from _definer(cursor, target)
            yield from _neighbours(cursor, target, table)


def _definer(cursor: Any, target: Target) -> Iterator[str]:
    if target.account.startswith("''@"):
        yield f"the account on {target.shown} is the anonymous one, which is no definer to rely on"
        return
    cursor.execute("SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %s LIMIT 1", (target.account,))
    if cursor.fetchone() is None:
        yield (
            f"the account {target.account} is not there as such on {target.shown} (a role, or dropped meanwhile): "
            "without its definer a trigger fails every write of the release"
        )


def _neighbours(cursor: Any, target: Target, table: str) -> Iterator[str]:
    cursor.execute(
        "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, DEFINER FROM information_schema.TRIGGERS "
        "WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s",
        (target.database, table),
    )
    many = target.version.at_least(mysql=(5, 7, 2), mariadb=(10, 2, 3))
    for name, timing, event, _definer in cursor.fetchall():
        if name in READ_ONLY:
            yield f"keystone's own trigger {name} refuses writes to `{table}`: expand was run, contract was not"
        elif name != name_of(table, str(event)) and timing == "AFTER" and not many:
            yield f"`{table}` has the trigger {name}, and {target.version.name} allows one AFTER {event}"


def install(pair: Pair, ends: Ends, say: Callable[[str], None]) -> None:
    """Make the triggers, after saying how they are removed. Refused, with all reasons, where one stands against them.

    The tables of marks must be there, and the leases be held: a follower that is at work relies on the triggers.
    """
    made = triggers(ends)
    say("In an emergency these statements remove the triggers:\n" + "\n".join(f"{each.drop};" for each in made))
    if reasons := refusals(pair, ends):
        raise Refused(f"no triggers: {'; '.join(reasons)}", "follow without --triggers: each round scans then")
    try:
        for each in made:
            _replace(each)
        for target, table in ((ends.grizzly, OLD), (ends.havana, NEW)):
            _try(ends, target, table)
    except BaseException:
        with contextlib.suppress(pymysql.Error, DbauditError):
            remove(ends)
        raise


def _replace(trigger: Trigger) -> None:
    target = trigger.target
    with contextlib.closing(target.connect()) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"SET SESSION lock_wait_timeout = {METADATA_WAIT}")
            cursor.execute(trigger.drop)
            cursor.execute(trigger.create)
        except pymysql.MySQLError as error:
            raise _said(error, target) from None


def _said(error: pymysql.MySQLError, target: Target) -> DbauditError:
    if faults.number_of(error) == 1419:
        return Refused(
            f"{target.shown} writes a binary log, and lets only administrators make triggers",
            f"GRANT SUPER ON *.* TO {target.account}, or SET GLOBAL log_bin_trust_function_creators = 1",
        )
    if faults.is_denied(error):
        return Refused(
            f"the account {target.account} may not make triggers: {faults.text_of(error)}",
            f"GRANT TRIGGER ON {quoted(target.database)}.* TO {target.account}",
        )
    if faults.is_conflict(error):
        return Refused(f"a long transaction holds the table on {target.shown}", "try again when it is through")
    return target.failure(error)


def _try(ends: Ends, target: Target, table: str) -> None:
    """Write a row as the release would, look for its mark, and roll back."""
    row = {OLD: "(access) VALUES ('dbaudit-trial')", NEW: "(id, user_id, type) VALUES ('dbaudit-trial', '', 'ec2')"}[
        table
    ]
    marks = ends.table("ec2_mark") if table == NEW else ends.far("ec2_mark")
    with contextlib.closing(target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', foreign_key_checks = 0")
        try:
            cursor.execute(f"INSERT INTO {quoted(target.database)}.{quoted(table)} {row}")
            seen = cursor.execute(f"SELECT 1 FROM {marks} WHERE db = %s AND name = 'dbaudit-trial'", (target.database,))
        except pymysql.MySQLError as error:
            raise Refused(f"a write to `{table}` fails with error {faults.number_of(error)}, triggers or not") from None
        finally:
            connection.rollback()
    if not seen:
        raise Refused(
            f"a change to `{table}` was not marked: the definer {target.account} may not write {marks}",
            f"GRANT INSERT ON {marks} TO {target.account}",
        )


def remove(ends: Ends, keep: Callable[[], None] = lambda: None) -> int:
    """Remove our triggers; gives how many were there. The leases must be held; `keep` prolongs them."""
    there = installed(ends)
    for each in triggers(ends):
        if each.name in there:
            keep()
            with each.target.session() as connection, connection.cursor() as cursor:
                cursor.execute(f"SET SESSION lock_wait_timeout = {METADATA_WAIT * 10}")
                cursor.execute(each.drop)
    return len(there)


def installed(ends: Ends) -> frozenset[str]:
    """The names of our triggers that are there."""
    found: set[str] = set()
    for target, table in ((ends.grizzly, OLD), (ends.havana, NEW)):
        wanted = tuple(name_of(table, event) for event in EVENTS)
        with target.session() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS "
                "WHERE TRIGGER_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s AND TRIGGER_NAME IN %s",
                (target.database, table, wanted),
            )
            found |= {str(name) for (name,) in cursor.fetchall()}
    return frozenset(found)


def complete(ends: Ends) -> bool:
    """Whether all of them are there, so that marks may be relied on."""
    return len(installed(ends)) == len(EVENTS) * 2
