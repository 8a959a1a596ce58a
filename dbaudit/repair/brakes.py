"""The gauges that a run gets: those that were asked for, and the replicas that the server knows itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from sqlalchemy import URL

from dbaudit.errors import DbauditError
from dbaudit.progress import Watch, silent
from dbaudit.repair.gauge import HISTORY, LAG, PAUSED, THREADS, FlowControl, HistoryList, ReplicaLag, ThreadsRunning
from dbaudit.repair.refusal import separates
from dbaudit.repair.replicas import registered
from dbaudit.repair.stop import Stop
from dbaudit.repair.throttle import MAX_WAIT, Gauge, SentinelFile, Throttle, Throttled, Window

if TYPE_CHECKING:
    from dbaudit.repair.target import Target


@dataclass(frozen=True, slots=True)
class Brakes:
    """What may hold a run back. `replicas` are URLs; `look_for_replicas` asks the server for others."""

    replicas: Sequence[URL] = ()
    look_for_replicas: bool = True
    max_lag: float = LAG
    max_threads: int = THREADS
    max_history: int = HISTORY
    max_paused: float = PAUSED
    sentinel: Path | None = None
    run_time: float | None = None
    sleep: float = 0.0
    window: Window | None = None
    max_wait: float = MAX_WAIT


def throttle_of(brakes: Brakes, target: Target, stop: Stop, watch: Watch = silent) -> Throttle:
    """The throttle of a run. Raises Throttled where the sentinel file is there, DbauditError where lag is unknown."""
    gauges: list[Gauge] = []
    if brakes.sentinel is not None:
        gauges.append(SentinelFile(brakes.sentinel))
        if reason := gauges[0].holds():
            raise Throttled(f"not begun: {reason}", "remove it and run again")
    urls = list(brakes.replicas) or (list(_known(target)) if brakes.look_for_replicas else [])
    for url in urls:
        _refuse_if_filtered(url, target)
        gauges.append(ReplicaLag(url, brakes.max_lag))
    gauges.append(ThreadsRunning(target.url, brakes.max_threads))
    if target.galera:
        gauges.append(FlowControl(target.url, brakes.max_paused))
    gauges.append(HistoryList(target.url, brakes.max_history))
    return Throttle(
        gauges, stop=stop, run_time=brakes.run_time, sleep=brakes.sleep, window=brakes.window,
        max_wait=brakes.max_wait, watch=watch,
    )  # fmt: skip


def _known(target: Target) -> Iterator[URL]:
    """The replicas that the server names, reached with the same account."""
    with target.session() as connection:
        found = registered(connection, target)
    for row in found or ():
        host, port = str(row.get("Host") or ""), int(row.get("Port") or 3306)
        server_id = row.get("Server_id", row.get("Server_Id", "?"))
        name = f"at {row['reader']}" if "reader" in row else f"{host or f'server id {server_id}'}:{port}"
        url = target.url.set(host=host, port=port, query={}) if host else None
        with contextlib.suppress(pymysql.MySQLError, OSError):
            if url is not None and "unknown" not in (ReplicaLag(url).holds() or ""):
                yield url
                continue
        raise DbauditError(
            f"the server has the replica {name}, whose lag cannot be read",
            "name it with --replica URL, or leave its lag alone with --ignore-replicas",
        )


def _refuse_if_filtered(url: URL, target: Target) -> None:
    """Raise DbauditError where a replica takes only one of the database and the journal over."""
    status = ReplicaLag(url).status()
    for name, end in (("Replicate_{}_DB", ""), ("Replicate_Wild_{}_Table", ".%")):
        do, ignore = (_names(status, name.format(kind), end) for kind in ("Do", "Ignore"))
        if not separates(do, ignore, target.database, target.journal.schema):
            continue
        raise DbauditError(
            f"the replica {url.host or 'localhost'} takes over only one of `{target.database}` and "
            f"`{target.journal.schema}`: it would get the repair without its journal, or the journal alone",
            "keep the journal beside the data: --journal-schema SAME",
        )


def _names(status: Mapping[str, Any], name: str, end: str = "") -> frozenset[str]:
    """Schemas that a filter of SHOW REPLICA STATUS names; of patterns, those of whole schemas."""
    said = [each.strip() for each in str(status.get(name) or "").split(",")]
    return frozenset(each.removesuffix(end).replace("\\_", "_") for each in said if each and each.endswith(end))
