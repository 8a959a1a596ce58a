"""Whether a server is in somebody's use: replication, a cluster, sessions, engines that reach out.

It answers for this moment; whoever uses a server that is marked as throwaway a minute later is not seen.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dbaudit.errors import DbauditError
from dbaudit.server.version import ServerVersion, parse_version

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Seconds to wait for sessions to end: one that was closed a moment ago is still listed.
SESSIONS_END_WITHIN = 1.0
# Threads of the server itself.
_SYSTEM_USERS = ("system user", "event_scheduler")
_OPEN_ENGINES = ("FEDERATED", "CONNECT", "SPIDER")
_NOT_THROWAWAY = "use a server of its own for rehearsals, or none: --server private"

Rows = list[dict[str, Any]]


def has_schema(connection: Connection, name: str) -> bool:
    """Whether the server has a schema of that name, as the server compares names."""
    return bool(_rows(connection, "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", name))


def refuse_if_in_use(connection: Connection, label: str) -> None:
    """Raise DbauditError, with the reason, where the server may be anybody's but ours."""
    version = parse_version(str(_rows(connection, "SELECT VERSION() AS v")[0]["v"]))
    # Needs the right to see all sessions, as SHOW PROCESSLIST should: without it that one just shows fewer.
    _rows(connection, "SHOW ENGINE INNODB STATUS")
    for find in (_replication, _replicas, _galera, _group, _read_only, _engines):
        if (found := find(connection, version)) is not None:
            reason, hint = found
            raise DbauditError(f"{label} is refused as a throwaway server: {reason}", hint)
    end = time.monotonic() + SESSIONS_END_WITHIN
    while (found := _sessions(connection, version)) is not None:
        if time.monotonic() > end:
            raise DbauditError(f"{label} is refused as a throwaway server: {found[0]}", found[1])
        time.sleep(0.05)


def _replication(connection: Connection, version: ServerVersion) -> tuple[str, str] | None:
    if version.vendor == "mariadb":
        rows = _rows(connection, "SHOW ALL SLAVES STATUS")
    else:
        rows = _rows(connection, "SHOW REPLICA STATUS" if version.at_least(mysql=(8, 0, 22)) else "SHOW SLAVE STATUS")
    if not rows:
        return None
    source = rows[0].get("Source_Host") or rows[0].get("Master_Host")
    return f"it is configured as a replica of {source}", _NOT_THROWAWAY


def _replicas(connection: Connection, version: ServerVersion) -> tuple[str, str] | None:
    known = _rows(connection, "SHOW REPLICAS" if version.at_least(mysql=(8, 0, 22)) else "SHOW SLAVE HOSTS")
    reading = [row for row in _rows(connection, "SHOW PROCESSLIST") if str(row["Command"]).startswith("Binlog Dump")]
    if not known and not reading:
        return None
    return f"{max(len(known), len(reading))} replicas are connected to it, and would repeat all that is done", (
        _NOT_THROWAWAY
    )


def _galera(connection: Connection, _: ServerVersion) -> tuple[str, str] | None:
    on = _rows(connection, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'")
    size = _rows(connection, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'")
    nodes = int(size[0]["Value"] or 0) if size else 0
    if nodes == 0 and not (on and on[0]["Value"] == "ON"):
        return None
    return f"it is a node of a Galera cluster (of {nodes})", _NOT_THROWAWAY


def _group(connection: Connection, version: ServerVersion) -> tuple[str, str] | None:
    if not version.at_least(mysql=(5, 7)):
        return None
    members = _rows(
        connection,
        "SELECT member_host FROM performance_schema.replication_group_members "
        "WHERE member_state NOT IN ('OFFLINE', '')",
    )
    return ("it is a member of a replication group", _NOT_THROWAWAY) if members else None


def _read_only(connection: Connection, _: ServerVersion) -> tuple[str, str] | None:
    if _rows(connection, "SHOW GLOBAL VARIABLES LIKE 'read_only'")[0]["Value"] != "OFF":
        return "it is read only, as replicas are", "SET GLOBAL read_only = 0 there, if it is nobody's replica"
    return None


def _engines(connection: Connection, _: ServerVersion) -> tuple[str, str] | None:
    rows = _rows(connection, "SHOW ENGINES")
    active = [str(row["Engine"]) for row in rows if row["Engine"] in _OPEN_ENGINES and row["Support"] != "NO"]
    if not active:
        return None
    return f"its engine {active[0]} lets a dump reach other servers and files", f"switch {active[0]} off there"


def _sessions(connection: Connection, _: ServerVersion) -> tuple[str, str] | None:
    own = connection.thread_id()  # type: ignore[no-untyped-call]  # PyMySQL's stubs leave it untyped
    others = [
        row
        for row in _rows(connection, "SHOW PROCESSLIST")
        if row["Id"] != own and row["User"] not in _SYSTEM_USERS and row["Command"] != "Daemon"
    ]
    if not others:
        return None
    first = others[0]
    who = f"{first['User']} from {first['Host'] or 'there'}"
    return f"{len(others)} sessions are not ours, the first of {who}", "end these sessions, or use another server"


def _rows(connection: Connection, sql: str, *values: str) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        names = [column[0] for column in cursor.description or ()]
        # MySQL 5.6 announces more columns of SHOW SLAVE HOSTS than it sends.
        return [dict(zip(names, row, strict=False)) for row in cursor.fetchall()]
