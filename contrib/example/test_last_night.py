"""Last night's dump, restored and audited: the whole of what a deployer has to write."""

import os
from pathlib import Path

DUMP = Path(os.environ.get("NIGHTLY_DUMP", "nova.sql.gz"))


def test_last_nights_dump(dbaudit_database, assert_no_findings, assert_same_schema):
    database = dbaudit_database(dump=DUMP)
    assert_no_findings(database, to=os.environ.get("NEXT_RELEASE"), ignore=["keystone.bloated-tokens"])
    assert_same_schema(database, f"{database.service}@{database.release}")
