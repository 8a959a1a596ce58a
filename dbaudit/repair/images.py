"""Before- and after-images of rows, copied by the server alone: types, charsets and blobs never pass through here.

There is one table of images for each definition of a repaired table. Its key is the run, the chunk, the side and the
row's own primary key. `unit` ties rows that come and go together: a row, and those that its cascades reached; `depth`
is how far from it they are, so that an undo can bring parents back first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbaudit.errors import DbauditError
from dbaudit.repair.closure import Closure, Edge, Touched
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.journal import Journal
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

BEFORE, AFTER = 0, 1
_OWN = "dbaudit_run BIGINT NOT NULL, dbaudit_seq INT NOT NULL, dbaudit_side TINYINT NOT NULL, " \
    "dbaudit_unit BINARY(16) NOT NULL, dbaudit_depth SMALLINT NOT NULL"  # fmt: skip
_COLUMNS = ("dbaudit_run", "dbaudit_seq", "dbaudit_side", "dbaudit_unit", "dbaudit_depth")
# Rows of one side of one chunk.
_HERE = "{alias}.dbaudit_run = %s AND {alias}.dbaudit_seq = %s AND {alias}.dbaudit_side = {side}"


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one repaired table."""

    journal: Journal
    of: Touched

    @property
    def name(self) -> str:
        """Name of the table of images."""
        return self.journal.name(f"{self.of.name[:40]}_{self.of.definition[:10]}")

    @property
    def table(self) -> str:
        """The table of images as statements name it."""
        return f"{quoted(self.journal.schema)}.{quoted(self.name)}"

    @property
    def source(self) -> str:
        """The repaired table as statements name it; it is in the connection's own schema."""
        return quoted(self.of.name)

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of the repaired table's primary key."""
        return self.of.key.columns

    def columns(self, alias: str = "") -> str:
        """The stored columns, for a list of columns or a SELECT."""
        before = f"{alias}." if alias else ""
        return ", ".join(f"{before}{quoted(column)}" for column in self.of.columns)

    def same_row(self, one: str, other: str) -> str:
        """The join of a row with its image."""
        return " AND ".join(f"{one}.{quoted(column)} = {other}.{quoted(column)}" for column in self.key)

    def here(self, alias: str, side: int) -> str:
        """Images of a side of a chunk, whose run and number are the parameters."""
        return _HERE.format(alias=alias, side=side)

    def unit(self, alias: str) -> str:
        """What ties a row of the part's own table to its cascades: a digest of its primary key."""
        parts = ", ".join(f"HEX(CAST({alias}.{quoted(column)} AS BINARY))" for column in self.key)
        return f"UNHEX(LEFT(SHA2(CONCAT_WS(',', {parts}), 256), 32))"  # MySQL 9 has no MD5

    def copy_root(self, cursor: Any, run: int, seq: int, condition: tuple[str, dict[str, Any]]) -> int:
        """Copy the part's own rows before they change; `condition` names them by key. Gives their number."""
        text, values = condition
        cursor.execute(
            f"INSERT INTO {self.table} ({', '.join(_COLUMNS)}, {self.columns()}) SELECT %(dbaudit_run)s, "
            f"%(dbaudit_seq)s, {BEFORE}, {self.unit(self.source)}, 0, {self.columns(self.source)} "
            f"FROM {self.source} WHERE {text}",
            {**values, "dbaudit_run": run, "dbaudit_seq": seq},
        )
        return int(cursor.rowcount)

    def put_again(self, cursor: Any, run: int, seq: int, id_: int) -> None:
        """Put the row with a primary key `id` anew where it is, by its image, so that AUTO_INCREMENT follows it."""
        cursor.execute(f"DELETE FROM {self.source} WHERE id = %s", (id_,))
        cursor.execute(
            f"INSERT INTO {self.source} ({self.columns()}) SELECT {self.columns('i')} FROM {self.table} i "
            f"WHERE {self.here('i', AFTER)} AND i.id = %s",
            (run, seq, id_),
        )

    def copy_children(self, cursor: Any, run: int, seq: int, parent: Images, edge: Edge) -> int:
        """Lock and copy the rows that a cascade is about to reach and that are not copied yet. Gives their number."""
        join = " AND ".join(f"c.{quoted(column)} = p.{quoted(other)}" for column, other in edge.columns)
        cursor.execute(
            f"SELECT 1 FROM {parent.table} p STRAIGHT_JOIN {self.source} c ON {join} "
            f"WHERE {parent.here('p', BEFORE)} FOR UPDATE",
            (run, seq),
        )
        if not cursor.fetchall():
            return 0
        keys = ", ".join(f"c.{quoted(column)}" for column in self.key)
        cursor.execute(
            f"INSERT INTO {self.table} ({', '.join(_COLUMNS)}, {self.columns()}) SELECT %s, %s, {BEFORE}, "
            f"MIN(p.dbaudit_unit), MIN(p.dbaudit_depth) + 1, {self.columns('c')} FROM {parent.table} p "
            f"STRAIGHT_JOIN {self.source} c ON {join} LEFT JOIN {self.table} i ON i.dbaudit_run = p.dbaudit_run "
            f"AND i.dbaudit_seq = p.dbaudit_seq AND i.dbaudit_side = {BEFORE} AND {self.same_row('i', 'c')} "
            f"WHERE {parent.here('p', BEFORE)} AND i.dbaudit_run IS NULL GROUP BY {keys}",
            (run, seq, run, seq),
        )
        return int(cursor.rowcount)

    def copy_after(self, cursor: Any, run: int, seq: int) -> int:
        """Copy what became of the rows that were copied before, as far as they are still there."""
        cursor.execute(
            f"INSERT INTO {self.table} ({', '.join(_COLUMNS)}, {self.columns()}) SELECT i.dbaudit_run, i.dbaudit_seq, "
            f"{AFTER}, i.dbaudit_unit, i.dbaudit_depth, {self.columns('t')} FROM {self.table} i "
            f"STRAIGHT_JOIN {self.source} t ON {self.same_row('t', 'i')} WHERE {self.here('i', BEFORE)}",
            (run, seq),
        )
        return int(cursor.rowcount)


def images_of(journal: Journal, closure: Closure) -> dict[str, Images]:
    """The images of every table of a closure, by the table's name."""
    return {each.name: Images(journal, each) for each in closure.tables}


def copy_before(
    cursor: Any, run: int, seq: int, closure: Closure, images: dict[str, Images], condition: tuple[str, dict[str, Any]]
) -> int:
    """Copy the rows of a chunk and all that its cascades will reach. Gives how many rows of the part's own table."""
    root = images[closure.root.name].copy_root(cursor, run, seq, condition)
    while any(images[e.child].copy_children(cursor, run, seq, images[e.parent], e) for e in closure.edges):
        continue  # a table may refer to itself, so that every pass may reach more
    return root


def make_images(connection: Connection, target: Target, run: int, images: Sequence[Images]) -> None:
    """Make the tables of images that a run needs, and note which ones it uses. Before its first chunk: this is DDL."""
    with connection.cursor() as cursor:
        for each in images:
            cursor.execute(
                "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
                (each.journal.schema, each.name),
            )
            if cursor.fetchone() is None:
                cursor.execute(_create(cursor, each, target.database))
            details = {"columns": each.of.columns, "key": each.key}
            cursor.execute(
                f"INSERT IGNORE INTO {each.journal.table('image')} (run, tbl, images, definition, details) "
                "VALUES (%s, %s, %s, %s, %s)",
                (run, each.of.name, each.name, each.of.definition, json.dumps(details)),
            )
    connection.commit()


def _create(cursor: Any, images: Images, database: str) -> str:
    cursor.execute(
        "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (database, images.of.name),
    )
    types = {str(row[0]): row[1:] for row in cursor.fetchall()}
    missing = set(images.of.columns) - set(types)
    if missing:
        raise DbauditError(f"the columns {', '.join(sorted(missing))} of `{images.of.name}` cannot be seen")
    lines = [_OWN]
    for column in images.of.columns:
        kind, charset, collation = types[column]
        text = f" CHARACTER SET {charset} COLLATE {collation}" if charset else ""
        lines.append(f"{quoted(column)} {kind}{text} {'NOT NULL' if column in images.key else 'NULL'}")
    keys = ", ".join(map(quoted, images.key))
    lines.append(f"PRIMARY KEY (dbaudit_run, dbaudit_seq, dbaudit_side, {keys})")
    lines.append(f"KEY dbaudit_row ({keys})")
    own = (images.of.table.row_format or "").upper()
    form = f" ROW_FORMAT={'DYNAMIC' if own == 'COMPRESSED' else own}" if own else ""
    # Beside the data (SAME), db sync refuses tables that are not utf8; columns say their own charset.
    return f"CREATE TABLE IF NOT EXISTS {images.table} ({', '.join(lines)}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4{form}"
