"""A directory that mydumper wrote, as the parts of a dump, in an order in which they can be loaded.

For each table its schema, then its data; views, triggers and routines last. Names are taken from inside the files
where they are written there, since mydumper encodes odd ones in file names. Both forms of `metadata` are read: lines
of text (before 0.12), and sections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dbaudit.dump.source import DamagedArchive, Dump, Metadata, make_part, what_dumps_are
from dbaudit.dump.tokens import IDENT, bare_name
from dbaudit.errors import DbauditError

_PACKED = r"(?:\.(?:gz|zst|zstd|xz|bz2))?\Z"
_CREATE = re.compile(r"(?P<db>.+)-schema-create\.sql" + _PACKED)
_LATE = re.compile(
    r"(?P<db>[^.]+?)(?:\.(?P<table>.+))?-schema-(?P<kind>sequence|view|triggers|post|function)\.sql" + _PACKED
)
_SCHEMA = re.compile(r"(?P<db>[^.]+)\.(?P<table>.+)-schema\.sql" + _PACKED)
_DATA = re.compile(r"(?P<db>[^.]+)\.(?P<table>.+?)(?P<chunk>(?:\.\d+)*)\.sql" + _PACKED)
_ROW_FILES = re.compile(r".+\.(?:dat|csv|json)" + _PACKED)
_SECTION = re.compile(r"\[`(?P<db>(?:[^`]|``)+)`\.`(?P<table>(?:[^`]|``)+)`\]\s*\Z")
_STARTED = re.compile(r"#?\s*Started dump at:\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_ROWS = re.compile(r"rows\s*=\s*(\d+)\s*\Z")
_GTID = re.compile(r"#?\s*(?:GTID|executed_gtid_set|gtid_slave_pos)\s*[:=]\s*\"?([^\"]*)\"?\s*\Z", re.I)
_CREATED = re.compile(
    rb"CREATE\s+(?:DATABASE|SCHEMA)\s+(?:/\*!\d+\s+IF NOT EXISTS\s*\*/\s*|IF NOT EXISTS\s+)?(" + IDENT + rb")", re.I
)
# The order of what is neither a table's schema nor its data.
_ORDER = {"sequence": 0, "create": 0, "schema": 1, "data": 1, "view": 2, "function": 3, "post": 3, "triggers": 4}


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    kind: str
    database: str
    table: str = ""
    chunk: tuple[int, ...] = ()

    @property
    def place(self) -> tuple[object, ...]:
        return (self.database, _ORDER[self.kind], self.table, self.kind != "schema", self.chunk, self.path.name)


def open_directory(path: Path) -> Dump:
    """The dump in a directory. Raises DbauditError when mydumper did not write it."""
    names = sorted(item for item in path.iterdir() if item.is_file())
    files = sorted(filter(None, map(_classify, names)), key=lambda file: file.place)
    stated = next((item for item in names if item.name in ("metadata", "metadata.partial")), None)
    if not files or (stated is None and not any(file.kind == "schema" for file in files)):
        _refuse(path, names)
    rows_only = next((item for item in names if _ROW_FILES.match(item.name)), None)
    if rows_only is not None:
        raise DbauditError(
            f"{path} was written by mydumper with rows in files of their own ({rows_only.name})",
            "dump again without --load-data, --csv or --format",
        )
    real = {file.database: _name_in(file) for file in files if file.kind == "create"}
    parts = tuple(
        make_part(
            file.path, None if file.kind == "create" else real.get(file.database, file.database), _delimiter(file)
        )
        for file in files
    )
    size = sum(part.size for part in parts)
    return Dump(str(path), path, size, parts[0].compression, True, parts, _metadata(stated))


def _delimiter(file: _File) -> bytes:
    """Bodies stand in the files without DELIMITER lines; mydumper sees to it that no `;` ends a line in them."""
    return b";\n" if file.kind in ("post", "triggers", "function") else b";"


def _refuse(path: Path, names: list[Path]) -> None:
    if any(item.name == "@.json" for item in names):
        raise DbauditError(f"{path} was written by MySQL Shell, whose format is not read", what_dumps_are())
    if any(item.name in ("ibdata1", "xtrabackup_info", "backup-my.cnf") for item in names):
        raise DbauditError(f"{path} is a physical backup or a data directory", what_dumps_are())
    raise DbauditError(
        f"the directory {path} is no mydumper dump: it has no `metadata` and no *-schema.sql", what_dumps_are()
    )


def _classify(path: Path) -> _File | None:
    name = path.name
    if match := _CREATE.fullmatch(name):
        return _File(path, "create", match["db"])
    if match := _LATE.fullmatch(name):
        return _File(path, match["kind"], match["db"], match["table"] or "")
    if match := _SCHEMA.fullmatch(name):
        return _File(path, "schema", match["db"], match["table"])
    if match := _DATA.fullmatch(name):
        return _File(path, "data", match["db"], match["table"], tuple(map(int, match["chunk"].split(".")[1:])))
    return None


def _name_in(file: _File) -> str:
    """The database's name as CREATE DATABASE writes it."""
    try:
        with make_part(file.path).open() as stream:
            match = _CREATED.search(stream.read(4096))
    except DamagedArchive:
        match = None
    return bare_name(match[1]) if match else file.database


def _metadata(path: Path | None) -> Metadata:
    if path is None:
        return Metadata(False, None, {})
    gtid, rows, section = None, {}, None
    finished, started = False, None
    for line in path.read_text("utf-8", "surrogateescape").splitlines():
        finished |= line.lstrip("# ").startswith("Finished dump at")
        if match := _STARTED.match(line):
            started = match[1]
        if line.startswith("["):
            match = _SECTION.match(line)
            section = (match["db"].replace("``", "`"), match["table"].replace("``", "`")) if match else None
        elif section and (match := _ROWS.match(line.strip())):
            rows[section] = int(match[1])
        elif match := _GTID.match(line.strip()):
            gtid = match[1].strip() or gtid
    return Metadata(finished and path.name == "metadata", gtid, rows, started)
