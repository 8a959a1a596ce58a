"""A manifest as a file: JSON, plain or gzipped by its name, readable by its owner alone.

Each column's tokens are kept as the list of different ones and, for each row, its number in that list.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dbaudit.errors import DbauditError
from dbaudit.proof.manifest import (
    FORMAT,
    Checksum,
    ColumnProfile,
    Item,
    Kept,
    Manifest,
    Reference,
    Rows,
    SoftDeleted,
    TableProfile,
)
from dbaudit.proof.token import Token
from dbaudit.proof.value import Kind

_WHAT = "dbaudit manifest"


def save(manifest: Manifest, path: Path) -> None:
    """Write a manifest: whole, or not at all. Raises DbauditError where that is not possible."""
    text = json.dumps(as_dict(manifest), separators=(",", ":"), ensure_ascii=False)
    data = text.encode("utf-8", "surrogateescape")
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DbauditError(f"cannot write {path}: {error.strerror}", "name another file with -o") from None


def load(path: Path) -> Manifest:
    """Read a manifest. Raises DbauditError where the file is none, or of another format."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        read = json.loads(data.decode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DbauditError(f"cannot read {path}: {error.strerror}", "name a file that dbaudit manifest wrote") from None
    except (ValueError, EOFError, zlib.error):
        read = None
    if not isinstance(read, dict) or read.get("what") != _WHAT:
        raise DbauditError(f"{path} is no manifest", "make one with: dbaudit manifest OPERAND -o FILE")
    if read.get("format") != FORMAT:
        raise DbauditError(
            f"{path} is a manifest of format {read.get('format')}, this dbaudit reads format {FORMAT}",
            "use the dbaudit that wrote it, or make the manifest again from the dump",
        )
    try:
        return from_dict(read)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DbauditError(f"{path} is a damaged manifest ({error!r})", "make it again from the dump") from None


def as_dict(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON has it."""
    return {
        "what": _WHAT, "format": FORMAT, "at": manifest.at, "operand": manifest.operand, "server": manifest.server,
        "key": manifest.key.hex(), "service": manifest.service, "release": manifest.release,
        "versions": dict(manifest.versions), "warnings": list(manifest.warnings),
        "tables": {name: _table(table) for name, table in manifest.tables.items()},
        "kept": {
            name: [[digest, i.name, i.object, dict(i.fields), i.live, i.row] for digest, i in kept.items.items()]
            for name, kept in manifest.kept.items()
        },
    }  # fmt: skip


def _table(table: TableProfile) -> dict[str, Any]:
    rows = table.rows
    return {
        "count": table.count,
        "checksum": [table.checksum.sum, table.checksum.xor],
        "auto_increment": table.auto_increment,
        "columns": [asdict(column) for column in table.columns],
        "soft": [table.soft.live, table.soft.deleted, table.soft.unknown] if table.soft else None,
        "references": [asdict(each) for each in table.references],
        "indexed": list(table.indexed),
        "uniques": [list(each) for each in table.uniques],
        "rows": None if rows is None else {
            "identity": list(rows.identity), "keys": list(rows.keys), "names": list(rows.names),
            "tokens": {name: _packed(tokens) for name, tokens in rows.tokens.items()},
        },
    }  # fmt: skip


def _packed(tokens: Sequence[Token]) -> dict[str, Any]:
    numbers: dict[Token, int] = {}
    places = [numbers.setdefault(token, len(numbers)) for token in tokens]
    if len(numbers) * 2 > len(tokens):
        return {"each": list(tokens)}
    return {"of": list(numbers), "at": places}


def from_dict(data: Mapping[str, Any]) -> Manifest:
    """The manifest from its JSON form."""
    return Manifest(
        at=data["at"], operand=data["operand"], server=data["server"], key=bytes.fromhex(data["key"]),
        service=data["service"], release=data["release"], versions=data["versions"],
        tables={name: _read_table(name, table) for name, table in data["tables"].items()},
        kept={
            name: Kept(name, {digest: Item(*rest) for digest, *rest in items}) for name, items in data["kept"].items()
        },
        warnings=tuple(data["warnings"]),
    )  # fmt: skip


def _read_table(name: str, data: Mapping[str, Any]) -> TableProfile:
    rows = data["rows"]
    return TableProfile(
        name=name,
        count=data["count"],
        checksum=Checksum(*data["checksum"]),
        columns=tuple(_read_column(column) for column in data["columns"]),
        auto_increment=data["auto_increment"],
        soft=SoftDeleted(*data["soft"]) if data["soft"] else None,
        references=tuple(
            Reference(tuple(each["columns"]), each["table"], tuple(each["referred"]), each["cascades"])
            for each in data["references"]
        ),
        indexed=tuple(data["indexed"]),
        uniques=tuple(tuple(each) for each in data["uniques"]),
        rows=None if rows is None else Rows(
            tuple(rows["identity"]), tuple(rows["keys"]), tuple(rows["names"]),
            {column: _unpacked(tokens) for column, tokens in rows["tokens"].items()},
        ),
    )  # fmt: skip


def _read_column(data: Mapping[str, Any]) -> ColumnProfile:
    return ColumnProfile(**{**data, "kind": Kind(data["kind"]), "checksum": Checksum(**data["checksum"])})


def _unpacked(data: Mapping[str, Any]) -> tuple[Token, ...]:
    if "each" in data:
        return tuple(data["each"])
    return tuple(data["of"][place] for place in data["at"])
