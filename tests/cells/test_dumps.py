"""What dumps may be besides whole, in UTF-8 and of one database: the same findings, or a refusal, or a skip."""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.cells.compare import compare
from dbaudit.cells.looking import Looking
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError
from dbaudit.finding import Verdict
from dbaudit.flavors.check import check
from dbaudit.result import Result
from tests.flavors.cloud import Dumps, thinned

FIRST = b"--\n-- Table structure"
Sided = Callable[[Path | str], Side]


@pytest.fixture(scope="module")
def text(dumps: Dumps) -> Callable[[str], bytes]:
    """Havana's databases with every table, and a part of their instances."""

    @functools.cache
    def of(place: str) -> bytes:
        whole = gzip.decompress(dumps.source(place, "havana").read_bytes())
        return thinned(whole, dumps.gone(place, "havana"))

    return of


@pytest.fixture
def files(text: Callable[[str], bytes], tmp_path: Path) -> dict[str, Path]:
    """The same as files, by place."""
    found = {place: tmp_path / f"nova-{place}-whole.sql" for place in ("top", "cell")}
    for place, path in found.items():
        path.write_bytes(text(place))
    return found


def told(result: Result) -> set[tuple[str, tuple[str, ...], str]]:
    return {(each.check, each.keys, each.message) for each in result.findings}


def test_characters_are_compared_and_not_the_bytes_of_a_charset(
    files: dict[str, Path], text: Callable[[str], bytes], side: Sided, looking: Looking, tmp_path: Path
) -> None:
    top, cell = files.values()
    path = tmp_path / "nova-cell-havana.sql"
    path.write_bytes(text("cell").decode().replace("SET NAMES utf8", "SET NAMES latin1").encode("latin-1"))
    assert b"Bj\xf8rn" in path.read_bytes()
    assert told(compare([side(top), side(path)], looking)) == told(compare([side(top), side(cell)], looking))


def test_two_databases_of_one_dump(
    files: dict[str, Path], text: Callable[[str], bytes], side: Sided, looking: Looking, tmp_path: Path
) -> None:
    path, head = tmp_path / "both.sql", text("top").partition(FIRST)[0]
    made = b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `%s` /*!40100 DEFAULT CHARACTER SET utf8 */;\nUSE `%s`;\n"
    names = [(b"d_nova_top", "top"), (b"d_nova_cell", "cell")]
    bodies = [made % (name, name) + FIRST + text(place).partition(FIRST)[2] for name, place in names]
    path.write_bytes(
        head + b"\n".join(body.replace(b"-- Dump completed", b"") for body in bodies) + b"\n-- Dump completed\n"
    )
    both = [read_operand(str(path), Reading(tmp_path, name.decode())) for name, _ in names]
    apart = [side(files[place]) for _, place in names]
    assert told(check(both, looking)) == told(check(apart, looking))


def without(dump: bytes, *tables: str) -> bytes:
    for table in tables:
        pattern = rb"--\n-- Table structure for table `%s`.*?(?=--\n-- Table structure)" % table.encode()
        dump = re.sub(pattern, b"", dump, count=1, flags=re.S)
    return dump


@pytest.mark.parametrize("command", [check, compare])
def test_a_dump_that_was_cut_is_refused(
    files: dict[str, Path], text: Callable[[str], bytes], side: Sided, looking: Looking, tmp_path: Path,
    command: Callable[..., Result],
) -> None:  # fmt: skip
    path, whole = tmp_path / "nova.sql", text("cell")
    path.write_bytes(whole[: whole.index(b"CREATE TABLE `migrations`")])
    with pytest.raises(DbauditError, match="is not complete"):
        command([side(files["top"]), side(path)], looking)


@pytest.mark.parametrize(
    ("command", "tables", "hidden"),
    [
        (check, ("instance_system_metadata",), ("flavors.embedded", "flavors.resize", "flavors.migrate")),
        (check, ("instance_types", "instance_type_extra_specs"),
         ("flavors.missing", "flavors.extra", "flavors.points", "flavors.changed")),
        (compare, ("block_device_mapping", "instance_metadata", "instance_system_metadata"),
         ("cells.device", "cells.volume", "cells.metadata", "cells.system-metadata")),
    ],
)  # fmt: skip
def test_a_table_that_is_not_there_is_skipped_and_no_drift(
    files: dict[str, Path], text: Callable[[str], bytes], side: Sided, looking: Looking, tmp_path: Path,
    command: Callable[..., Result], tables: tuple[str, ...], hidden: tuple[str, ...],
) -> None:  # fmt: skip
    path = tmp_path / "nova.sql"
    path.write_bytes(without(text("cell"), *tables))
    result = command([side(files["top"]), side(path)], looking)
    own = [each for each in result.findings if each.facts["database"] == "d_nova_cell"]
    assert not [each.check for each in own if each.check.startswith(hidden)]
    assert {each.reason for each in result.skipped} == {f"d_nova_cell has no table {table}" for table in tables}
    others = "cells.differs" if command is compare else "flavors.embedded-missing"
    assert any(each.check == others for each in result.findings)


def test_what_could_not_be_checked_is_no_pass(
    text: Callable[[str], bytes], side: Sided, looking: Looking, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.sql").write_bytes(without(text("cell"), "instance_metadata"))
    result = compare([side(tmp_path / "one.sql"), side(tmp_path / "other.sql")], looking)
    assert not result.findings
    assert result.verdict is Verdict.WARNINGS
