"""`dbaudit diff`, `snapshot` and `catalogue build` as a user calls them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dbaudit.migration.catalogue import load_catalogue, reference_at
from dbaudit.migration.delta import apply
from dbaudit.migration.facts import read_facts
from dbaudit.schema.alter import alter
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Schema
from tests.cli.conftest import SAMPLES, Dbaudit
from tests.migration.conftest import TOOL

CINDER = SAMPLES / "cinder-grizzly.sql.gz"

STEP_11 = """\
left   cinder@10  reference, cinder grizzly, cinder 10, 20 tables
right  cinder@11  reference, cinder grizzly, cinder 11, 20 tables

DIFFERENT  1 difference in table volumes

table volumes
  + column bootable: `bootable` tinyint(1) DEFAULT NULL
"""
UNIFIED_11 = """\
--- cinder@10:volumes
+++ cinder@11:volumes
@@ -25,5 +25,6 @@
   `snapshot_id` varchar(36) DEFAULT NULL,
   `volume_type_id` varchar(36) DEFAULT NULL,
   `source_volid` varchar(36) DEFAULT NULL,
+  `bootable` tinyint(1) DEFAULT NULL,
   PRIMARY KEY (`id`)
 ) ENGINE=InnoDB DEFAULT CHARSET=utf8;
"""


def test_a_step_as_text_and_as_unified_diff(dbaudit: Dbaudit) -> None:
    ran = dbaudit("diff", "cinder@10", "cinder@11")
    assert (ran.code, ran.out, ran.err) == (1, STEP_11, "")
    ran = dbaudit("diff", "cinder@10", "cinder@11", "--unified")
    assert (ran.code, ran.out) == (1, UNIFIED_11)


def test_nothing_differs(dbaudit: Dbaudit) -> None:
    ran = dbaudit("diff", "cinder@21", "cinder@havana")
    assert ran.code == 0 and "EQUAL  no differences\n" in ran.out
    ran = dbaudit("diff", "cinder@21", "cinder@havana", "--format", "json")
    assert ran.code == 0, ran.out
    assert ran.json["verdict"] == "clean" and ran.json["differences"] == []
    assert [each["service"] for each in ran.json["databases"]] == ["cinder", "cinder"]


def test_the_envelope(dbaudit: Dbaudit) -> None:
    ran = dbaudit("diff", "cinder@10", "cinder@11", "--format", "json", "--show-normalised")
    assert ran.code == 1
    assert (ran.json["command"], ran.json["verdict"], ran.json["normalised"]) == ("diff", "warnings", [])
    (finding,) = ran.json["findings"]
    assert (finding["check"], finding["effect"], finding["object"]) == (
        "schema.added-column", "drift", "volumes.bootable",
    )  # fmt: skip
    (difference,) = ran.json["differences"]
    assert difference["right"] == "`bootable` tinyint(1) DEFAULT NULL"
    assert set(ran.json["findings"][0]["facts"]["differences"][0]) == set(difference)


def test_sql_comments_out_what_loses_data(dbaudit: Dbaudit) -> None:
    ran = dbaudit("diff", "cinder@11", "cinder@10", "--sql")
    assert "-- loses data: drops volumes.bootable\n-- ALTER TABLE `volumes`\n--   DROP COLUMN `bootable`;\n" in ran.out
    assert "-- ALTER TABLE `volumes`\n--   ADD COLUMN `bootable`" in ran.out, "the way back"
    ran = dbaudit("diff", "cinder@11", "cinder@10", "--sql", "--allow-loss")
    assert "-- loses data: drops volumes.bootable\nALTER TABLE `volumes`\n  DROP COLUMN `bootable`;\n" in ran.out
    assert (
        dbaudit("diff", "cinder@11", "cinder@10", "--alembic").out.count("# op.drop_column('volumes', 'bootable')") == 1
    )


def test_the_sites_own_by_the_policy_in_the_working_directory(dbaudit: Dbaudit, tmp_path: Path) -> None:
    (tmp_path / "dbaudit.toml").write_text(
        '[[own]]\ntable = "volumes"\ncolumn = "boot*"\nreason = "billing"\nowner = "ann"\n'
    )
    ran = dbaudit("diff", "cinder@10", "cinder@11")
    assert ran.code == 0
    assert "column volumes.bootable is only on the right side; the site's own, of ann: billing" in ran.out
    assert dbaudit("diff", "cinder@10", "cinder@11", "--policy", "absent.toml").code == 66


def test_the_sites_own_is_a_note_until_a_pending_step_touches_it(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """Patterns for a table, a column and an index; the table and the column bear names that Havana's steps take."""
    assert dbaudit("snapshot", "cinder@grizzly", "-o", "site.sql").code == 0
    text = (tmp_path / "site.sql").read_text()
    own = "  `site_pool` int(11) DEFAULT NULL,\n  `bootable` int(11) DEFAULT NULL,\n  KEY `site_i` (`site_pool`),\n"
    head, volumes = text.split("CREATE TABLE `volumes` (", 1)
    volumes = volumes.replace("  PRIMARY KEY (`id`)", f"{own}  PRIMARY KEY (`id`)", 1)
    table = "CREATE TABLE `{}` (\n  `id` int(11) NOT NULL\n) ENGINE=InnoDB DEFAULT CHARSET=utf8;\n\n"
    made = "".join(table.format(each) for each in ("site_t", "transfers"))
    number = "\nINSERT INTO `migrate_version` VALUES ('cinder','x',9);\n"
    (tmp_path / "site.sql").write_text(f"{head}{made}CREATE TABLE `volumes` ({volumes}{number}")
    entries = (
        'table = "site_*"',
        'table = "trans*"',
        'table = "vol*"\ncolumn = "*oo*"',
        'table = "*"\nindex = "site_?"',
    )
    policy = "".join(f'[[own]]\n{each}\nreason = "billing"\nowner = "ann"\n' for each in entries)
    (tmp_path / "dbaudit.toml").write_text(policy)
    untouched = dbaudit("diff", "cinder@grizzly", "site.sql", "--format", "json")
    assert (untouched.code, {each["severity"] for each in untouched.json["findings"]}) == (0, {"note"}), untouched.out
    touched = dbaudit("diff", "cinder@grizzly", "site.sql", "--to", "havana", "--format", "json")
    assert touched.code == 1
    severity = {each["object"]: each["severity"] for each in touched.json["findings"]}
    assert {name for name, each in severity.items() if each != "note"} == {"transfers", "volumes.bootable"}, severity
    assert len(severity) == 5
    steps = {each["object"]: each["facts"].get("steps") for each in touched.json["findings"]}
    assert (steps["transfers"], steps["volumes.bootable"]) == (["cinder:10"], ["cinder:11"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cinder@10",), 64, "Missing argument"),
        (("cinder@10", "cinder@99"), 64, "cinder has the numbers 9 to 41"),
        (("cinder@10", "absent.sql"), 66, "no such file: absent.sql"),
        (("cinder@10", "cinder@11", "--sql", "--unified"), 64, "cannot be written at once"),
        (("cinder@10", "cinder@11", "--sql", "--format", "json"), 64, "cannot be written at once"),
        (("-", "-"), 64, "standard input is one dump"),
        (("cinder@10", "cinder@11", "--database", "a", "--database", "b", "--database", "c"), 64, "given 3 times"),
        (("cinder@10", "cinder@11", "--to", "kilo"), 0, ""),
    ],
)
def test_wrong_usage(dbaudit: Dbaudit, words: tuple[str, ...], code: int, said: str) -> None:
    ran = dbaudit("diff", *words)
    assert said in ran.err and "Traceback" not in ran.err
    assert ran.code == (code or 1)


def test_a_snapshot_reads_back_and_is_the_same_again(dbaudit: Dbaudit, tmp_path: Path) -> None:
    assert dbaudit("snapshot", CINDER, "-o", "a.sql").code == 0
    assert dbaudit("snapshot", "a.sql", "-o", "b.sql").code == 0
    assert (tmp_path / "a.sql").read_text() == (tmp_path / "b.sql").read_text()
    assert dbaudit("diff", "a.sql", CINDER).code == 0
    ran = dbaudit("diff", "-", "cinder@havana", stdin=(tmp_path / "a.sql").read_bytes())
    assert ran.code == 1 and ran.out.startswith("left   standard input  dump, cinder, ")


def test_what_cannot_be_read_is_no_pass(dbaudit: Dbaudit, tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("CREATE TABLE `t` (\n  `a` int(11),\n  nonsense\n) ENGINE=InnoDB;\n")
    ran = dbaudit("diff", "x.sql", "x.sql")
    assert ran.code == 1 and "table `t`: cannot represent: nonsense (left side): x.sql, line 3, byte 36" in ran.out
    assert dbaudit("diff", "x.sql", "x.sql", "--sql").code == 1
    refused = dbaudit("snapshot", "x.sql")
    assert refused.code == 66 and "line 3" in refused.err


def test_a_catalogue_is_built_by_stepping_sql(dbaudit: Dbaudit, tmp_path: Path) -> None:
    shipped = load_catalogue("cinder")
    assert shipped is not None
    steps = tmp_path / "steps"
    steps.mkdir()
    for number in range(10, 22):
        old, new = (reference_at("cinder", {"cinder": each}) for each in (number - 1, number))
        assert old is not None and new is not None
        text = "".join(f"{each.sql};\n" for each in alter(old, new))
        (steps / f"{number:03}_step.sql").write_text(f"SELECT 1;\n{text}")
    ran = dbaudit(
        "catalogue", "build", "cinder", "--runner", "sql:steps", "--release", "havana=21", "--start", "cinder@grizzly",
        "--server", "private", "-o", "steps.json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    built = json.loads((tmp_path / "steps.json").read_text())
    assert built["releases"] == {"grizzly": {"cinder": 9}, "havana": {"cinder": 21}}
    assert [each["step"] for each in built["steps"]] == [f"cinder:{number}" for number in range(10, 22)]
    schema = reference_at("cinder", {"cinder": 9})
    for entry in built["steps"]:
        assert "note" not in entry
        facts = read_facts(entry)
        assert schema is not None
        schema = apply(schema, facts)
        assert diff(schema, reference_at("cinder", {"cinder": facts.number})) == (), entry
        theirs = shipped.step(entry["step"])
        assert theirs is not None
        assert {w.text for w in theirs.work if w.action != "rows"} >= {w.text for w in facts.work if w.what == "column"}


def test_a_catalogue_is_built_by_stepping_a_command(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """A tool of the test's own, from an empty database on, whose fourth step fails."""
    tool = tmp_path / "cinder-manage"
    tool.write_text(TOOL.replace("{python}", sys.executable).replace("{body}", BODY))
    tool.chmod(0o755)
    words = ["catalogue", "build", "cinder", "--server", "private", "--runner-output", tmp_path / "kept", "--runner"]
    command = f"command:{tool} --config-file {{config}} db sync {{version}}"
    ran = dbaudit(*words, command, "--release", "havana=2", "--release", "icehouse=3", "-o", "steps.json")
    assert ran.code == 0, ran.err
    built = json.loads((tmp_path / "steps.json").read_text())
    assert built["releases"] == {"havana": {"cinder": 2}, "icehouse": {"cinder": 3}}
    first, second, third = (read_facts(entry) for entry in built["steps"])
    assert [added.table.name for added in first.tables_added] == ["migrate_version", "volumes"]
    assert [(added.column.name, added.after) for added in second.columns_added] == [("bootable", "id")]
    assert [dropped.column.name for dropped in third.columns_dropped] == ["bootable"]
    assert [each.release.name for each in (first, second, third)] == ["havana", "havana", "icehouse"]

    failed = dbaudit(*words, command, "--release", "havana=4")
    assert failed.code != 0 and "step cinder:4 failed" in failed.err
    assert "no_such" in (tmp_path / "kept" / "cinder-4.log").read_text()
    phased = dbaudit(*words, f"command:{tool} --config-file {{config}} db sync {{phase}}", "--release", "havana=4")
    assert phased.code == 64 and "{version}" in phased.err


BODY = """
    steps = {
        1: ["CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INT)",
            "INSERT INTO migrate_version VALUES ('cinder', '', 0)", "CREATE TABLE volumes (id INT PRIMARY KEY)"],
        2: ["ALTER TABLE volumes ADD COLUMN bootable TINYINT(1)"],
        3: ["ALTER TABLE volumes DROP COLUMN bootable"],
        4: ["ALTER TABLE no_such ADD COLUMN bootable TINYINT(1)"],
    }
    db = connect(URL)
    if words[-1] == "version":
        return say(ask(db, "SELECT version FROM migrate_version")[0][0])
    for statement in steps[int(words[-1])]:
        ask(db, statement)
    ask(db, "UPDATE migrate_version SET version = " + words[-1])
"""


STEPS = {
    1: "CREATE TABLE a (id INT PRIMARY KEY, n INT, t VARCHAR(10)) ENGINE=MyISAM DEFAULT CHARSET=latin1 COMMENT='one'",
    2: "ALTER TABLE a ENGINE=InnoDB, COMMENT='two', ROW_FORMAT=DYNAMIC",
    3: "ALTER TABLE a CONVERT TO CHARACTER SET utf8",
    4: "CREATE VIEW v AS SELECT id FROM a; CREATE TRIGGER g BEFORE INSERT ON a FOR EACH ROW SET NEW.n = 1",
    5: "DROP VIEW v; CREATE VIEW v AS SELECT n FROM a; INSERT INTO a VALUES (1, 1, 'x'), (2, 1, 'y')",
    6: "DROP TRIGGER g; DELETE FROM a WHERE id = 2",
    7: "ALTER TABLE a MODIFY t VARCHAR(10) CHARACTER SET latin1",
    8: "ALTER TABLE a ADD CONSTRAINT big CHECK (n > 0); ALTER TABLE a PARTITION BY HASH (id) PARTITIONS 2",
    9: "ALTER TABLE a DROP CONSTRAINT big",
    10: "ALTER TABLE a REMOVE PARTITIONING",
}


def test_a_built_catalogue_holds_all_that_a_step_can_change(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """Options, CHECKs, views, triggers, partitions, rows: applied again, the steps make the schema."""
    (tmp_path / "steps").mkdir()
    for number, text in STEPS.items():
        (tmp_path / "steps" / f"{number:03}_step.sql").write_text(text + ";\n")
    ran = dbaudit(
        "catalogue", "build", "cinder", "--runner", "sql:steps", "--release", "havana=10", "--server", "private",
        "-o", "steps.json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    built = json.loads((tmp_path / "steps.json").read_text())["steps"]
    assert [each["step"] for each in built if "note" in each or "idle" in each] == []
    keys = [
        "add_tables", "change_options", "change_options", "add_objects", "add_objects", "drop_objects",
        "change_columns", "add_checks", "drop_checks", "change_options",
    ]  # fmt: skip
    assert [key for key, each in zip(keys, built, strict=True) if key not in each] == []
    assert built[1]["change_options"][0]["before"] == (
        " ENGINE=MyISAM DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci COMMENT='one'"
    )
    assert [each.get("work") for each in built[4:6]] == [["rows: insert a"], ["rows: delete a"]]
    schema = Schema(charset="utf8")
    for entry in built:
        schema = apply(schema, read_facts(entry))
    table = schema.tables["a"]
    assert (table.engine, table.comment, table.partitions) == ("InnoDB", "two", None)
    assert str(table.charset).startswith("utf8")
    assert schema.views["v"].select.count("`n`") and not schema.triggers and not table.checks
    column = table.column("t")
    assert column is not None and column.charset == "latin1"
