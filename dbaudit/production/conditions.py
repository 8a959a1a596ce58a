"""What the speed of a server depends on and can be asked for: its version, how durable it writes, its memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbaudit.server.version import ServerVersion, parse_version

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# What decides when a write is on disk, and how often.
DURABILITY = ("innodb_flush_log_at_trx_commit", "sync_binlog", "log_bin", "innodb_doublewrite", "innodb_flush_method")
_MEMORY = "innodb_buffer_pool_size"


@dataclass(frozen=True, slots=True)
class Conditions:
    """A server as it was found. `version` is its own text, `machine` where it was measured from, `memory` bytes."""

    version: str
    durability: Mapping[str, str]
    memory: int
    machine: str

    def as_dict(self, *, here: bool) -> dict[str, Any]:
        """The conditions as JSON has them; the machine's own where the server is `here`, on this one."""
        processors = os.cpu_count() if here else None
        return {
            "server": self.version, "settings": dict(self.durability), "buffer_pool_bytes": self.memory,
            "machine": platform.machine() if here else None, "processors": processors,
        }  # fmt: skip

    @property
    def server(self) -> ServerVersion:
        """The version as a value."""
        return parse_version(self.version)

    def unlike(self, other: Conditions) -> Iterator[str]:
        """What differs that times depend on, in words."""
        if not same_series(self.server, other.server):
            yield f"{self.server.name} here, {other.server.name} there"
        for name in DURABILITY:
            here, there = self.durability.get(name), other.durability.get(name)
            if here != there:
                yield f"{name} is {here or 'unknown'} here, {there or 'unknown'} there"


def same_series(one: ServerVersion, two: ServerVersion) -> bool:
    """Whether both are of one vendor and one release series."""
    return (one.vendor, one.series) == (two.vendor, two.series)


def read_conditions(connection: Connection) -> Conditions:
    """The conditions of the server behind a connection; reads its variables alone."""
    variables = read_variables(connection)
    return Conditions(
        variables["version"],
        {name: variables[name] for name in DURABILITY if name in variables},
        int(variables.get(_MEMORY, "0")),
        platform.node(),
    )


def read_variables(connection: Connection) -> dict[str, str]:
    """The server's global variables."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES")
        return {str(name): str(value) for name, value in cursor.fetchall()}
