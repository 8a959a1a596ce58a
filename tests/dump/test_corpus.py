"""Every dump of the corpus, against what is known of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from tests.dump.dump_samples import both, rows_of

NUMBERS = {
    "keystone-havana": 36,
    "cinder-kilo": 41,
    "nova-top-kilo": 280,
    "nova-cell-grizzly": 161,
    "glance-havana": 29,
}


@pytest.mark.no_cover  # long, along lines that others take too
def test_every_dump_has_the_rows_that_were_counted(corpus: Path, tmp_path: Path) -> None:
    counted = json.loads((corpus / "data" / "rowcounts.json").read_text())
    wanted = {f"data/{name}": {table: rows for table, (rows, _) in each.items()} for name, each in counted.items()}
    for truth in (corpus / "local").glob("*.truth.json"):
        name = truth.name.removesuffix(".truth.json")
        wanted[f"local/{name}-grizzly"] = json.loads(truth.read_text())["rowcounts_before"]
    compared = 0
    for path in sorted(corpus.rglob("*.sql*")):
        index = both(open_dump(str(path), tmp_path))
        assert index.complete, path
        assert index.server_version == "5.6.24"
        name = f"{path.parent.name}/{path.name.partition('.')[0]}"
        if name in wanted:
            assert rows_of(index) == wanted[name], path
            compared += 1
    assert compared > 20  # not every counted dump is shipped


def test_migration_numbers(corpus: Path, tmp_path: Path) -> None:
    for name, number in NUMBERS.items():
        index = both(open_dump(str(corpus / "data" / f"{name}.sql.gz"), tmp_path))
        database = index.database(None)
        table = database.table("migrate_version")
        assert table
        assert [row["version"] for row in read_rows(index, database, table)] == [number]
