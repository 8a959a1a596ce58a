"""A top database and a cell on a real server, restored from the corpus, and their full contents for comparison.

Where how many instances there are is not the point, a part of them is restored: see Cut.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from sqlalchemy import URL

from dbaudit.cells.looking import Looking
from dbaudit.comparison.live import Credentials
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.dump.entries import DumpIndex
from dbaudit.dump.index import read_counts, read_layout
from dbaudit.dump.restore import restore
from dbaudit.dump.source import open_dump
from dbaudit.repair.target import Target, open_target
from dbaudit.result import Result
from dbaudit.server.server import Server
from tests.once import once
from tests.repair.dumps import dump


@dataclass(frozen=True)
class Cloud:
    """Schemas on one server: the top and its cell, and the journal of their repairs."""

    server: Server
    top: str
    cell: str
    journal: str
    folder: Path

    def url(self, name: str) -> URL:
        return self.server.url(self.server.restricted([self.top, self.cell, self.journal]), name)

    def side(self, name: str) -> Side:
        return read_operand(
            self.url(name).render_as_string(hide_password=False), Reading(self.folder, None, Credentials())
        )

    @property
    def sides(self) -> list[Side]:
        return [self.side(self.top), self.side(self.cell)]

    def target(self, name: str) -> Target:
        return open_target(self.url(name), self.journal)

    def run(self, name: str, *statements: str) -> list[tuple[object, ...]]:
        with contextlib.closing(self.server.admin(name)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()
            return list(cursor.fetchall())

    @property
    def unique(self) -> bool:
        """Whether flavorids are unique, as from Havana on."""
        return bool(self.run(self.top, "SHOW INDEX FROM instance_types WHERE Column_name = 'flavorid'"))

    def contents(self, name: str) -> list[str]:
        """Every row in hex, and definitions without their counters, which no undo sets back."""
        return [re.sub(r" AUTO_INCREMENT=\d+", "", line) for line in dump(self.server, name)]


# What flavors and instances are; the rest of nova's hundred tables would only cost time.
TABLES = (
    "instances", "instance_system_metadata", "instance_metadata", "instance_extra", "block_device_mapping",
    "instance_types", "instance_type_extra_specs", "instance_type_projects", "migrations", "services",
    "migrate_version",
)  # fmt: skip
HEAD = b"""-- MySQL dump 10.13  Distrib 5.6.24
SET NAMES utf8;
SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO';
SET FOREIGN_KEY_CHECKS=0;
"""


def reduced(path: Path, folder: Path) -> bytes:
    """The dump with the tables of TABLES alone, archived ones too."""
    source = open_dump(str(path), folder)
    with source.open() as stream:
        data = stream.read()
    (database,) = read_layout(source).databases
    wanted = {shadow + name for shadow in ("", "shadow_") for name in TABLES}
    parts = [data[each.start : each.end] for each in database.tables if each.name in wanted]
    return HEAD + b"\n".join(parts) + b"\n-- Dump completed\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """Which instances of a database are restored, the same of a top and its cells, with all that is theirs.

    One in `share`, and every one that the corpus names for something that is wrong with it; of these a third where
    `third` is a number below 3. Flavors are always whole.
    """

    share: int = 12
    third: int | None = None

    def keeps(self, uuid: str, named: frozenset[str]) -> bool:
        if self.third is not None and zlib.crc32(uuid.encode()) % 3 != self.third:
            return False
        return uuid in named or int(uuid[:8], 16) % self.share == 0


WHOLE = Cut(1)
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Dumps:
    """The databases of the corpus, each cut, written and compared once in a run, in a folder of all its workers."""

    corpus: Path
    folder: Path

    def source(self, place: str, release: str) -> Path:
        """As it came."""
        return self.corpus / f"data/nova-{place}-{release}.sql.gz"

    @functools.cached_property
    def named(self) -> frozenset[str]:
        """The instances that are named for something."""
        told = [each.read_bytes() for each in (self.corpus / "data").glob("*truth.json")]
        return frozenset(uuid.decode() for text in told for uuid in UUID.findall(text))

    @functools.cache  # noqa: B019, as long as the session
    def gone(self, place: str, release: str, cut: Cut = Cut()) -> frozenset[bytes]:
        """The instances that a cut leaves out."""
        data = read_operand(str(self.source(place, release)), Reading(self.folder)).data
        assert data is not None
        uuids = {str(uuid) for (uuid,) in data.values("instances", ("uuid",))}
        return frozenset(uuid.encode() for uuid in uuids if not cut.keeps(uuid, self.named))

    @functools.cache  # noqa: B019, as long as the session
    def path(self, place: str, release: str, cut: Cut = Cut()) -> Path:
        """A dump of what is left of its instances, as far as TABLES go."""

        def make(part: Path) -> None:
            text = reduced(self.source(place, release), self.folder)
            part.write_bytes(text if cut == WHOLE else thinned(text, self.gone(place, release, cut)))

        return once(self.folder / f"{place}-{release}-{cut.share}-{cut.third}.sql", make)

    @functools.cache  # noqa: B019, as long as the session
    def index(self, place: str, release: str, cut: Cut = Cut()) -> DumpIndex:
        """That of such a dump."""
        return read_counts(open_dump(str(self.path(place, release, cut)), self.folder))

    @functools.cache  # noqa: B019, as long as the session
    def told(self, command: Callable[[Sequence[Side], Looking], Result], release: str) -> Result:
        """What `check` or `compare` says of the two as they came."""

        def make(part: Path) -> None:
            with TemporaryDirectory(dir=self.folder) as own:  # where commands put files of their own
                folder = Path(own)
                sides = [read_operand(str(self.source(place, release)), Reading(folder)) for place in ("top", "cell")]
                part.write_bytes(pickle.dumps(command(sides, Looking(folder, 1, 0))))

        told = once(self.folder / f"{command.__module__}-{release}.pickle", make)
        return cast("Result", pickle.loads(told.read_bytes()))


def thinned(dump: bytes, gone: frozenset[bytes]) -> bytes:
    """A dump without the rows that name one of these instances."""
    lines = []
    for line in dump.split(b"\n"):
        head, values, rows = line.partition(b" VALUES (")
        if head.startswith(b"INSERT INTO "):
            kept = [row for row in rows.removesuffix(b");").split(b"),(") if gone.isdisjoint(UUID.findall(row))]
            line = head + values + b"),(".join(kept) + b");" if kept else b""
        lines.append(line)
    return b"\n".join(lines)


@contextlib.contextmanager
def restored(
    server: Server, dumps: Dumps, release: str, names: tuple[str, str, str], folder: Path, cut: Cut
) -> Iterator[Cloud]:
    """The corpus databases of a release, as far as TABLES go, and what `cut` leaves of them."""
    top, cell, journal = names
    for place, name in (("top", top), ("cell", cell)):
        index = dumps.index(place, release, cut)
        restore(index, server, {index.databases[0].name: name})
    try:
        yield Cloud(server, top, cell, journal, folder)
    finally:
        for name in names:
            server.drop_database(name)


# What nova leaves of a resize that was confirmed.
CONFIRMED = (
    "UPDATE instances SET vm_state = 'active' WHERE vm_state = 'resized'",
    "DELETE FROM instance_system_metadata WHERE `key` LIKE 'old\\_%' OR `key` LIKE 'new\\_%'",
)


def alike(cloud: Cloud) -> None:
    """Make the cell a copy of the top, and both without faults."""
    uuids = [str(each[0]) for each in cloud.run(
        cloud.top, "SELECT i.uuid FROM instances i JOIN instance_system_metadata m ON m.instance_uuid = i.uuid "
        "AND m.deleted = 0 AND m.`key` LIKE 'instance\\_type\\_%' JOIN instance_types t ON t.id = i.instance_type_id "
        "AND t.deleted = 0 AND t.vcpus = i.vcpus AND t.memory_mb = i.memory_mb AND t.root_gb = i.root_gb "
        "AND t.ephemeral_gb = i.ephemeral_gb WHERE i.deleted = 0 AND i.vm_state = 'active' AND i.task_state IS NULL "
        "AND i.uuid NOT IN (SELECT instance_uuid FROM instance_system_metadata WHERE `value` = 'None' OR `key` "
        "LIKE 'old\\_%') GROUP BY i.uuid HAVING COUNT(*) = 10 AND COUNT(DISTINCT m.`key`) = 10",
    )]  # fmt: skip
    assert len(uuids) >= 80
    kept = ", ".join(f"'{uuid}'" for uuid in uuids[:500])
    tables = ("block_device_mapping", "instance_metadata", "instance_system_metadata")
    statements = [
        "SET foreign_key_checks = 0", *(f"DELETE FROM {table} WHERE instance_uuid NOT IN ({kept})" for table in tables),
        f"DELETE FROM instances WHERE uuid NOT IN ({kept})",
    ]  # fmt: skip
    cloud.run(cloud.top, *statements, *CONFIRMED)
    for table in (*tables, "instances", "instance_types", "instance_type_extra_specs", "instance_type_projects"):
        copied = f"INSERT INTO {table} SELECT * FROM `{cloud.top}`.{table}"
        cloud.run(cloud.cell, "SET foreign_key_checks = 0", f"DELETE FROM {table}", copied)
    cloud.run(cloud.cell, "UPDATE instances SET cell_name = NULL")
