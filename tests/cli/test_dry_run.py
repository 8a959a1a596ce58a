"""The main job as a user calls it, on the shipped samples and on the corpus of real databases."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SAMPLES, Dbaudit
from tests.migration.conftest import TOOL

CINDER = SAMPLES / "cinder-grizzly.sql.gz"
KEYSTONE = SAMPLES / "keystone-grizzly.sql.gz"


def blocks(report: dict[str, object]) -> list[tuple[str, str]]:
    findings = report["findings"]
    assert isinstance(findings, list)
    return [(each["step"], each["object"]) for each in findings if each["effect"] == "blocks"]


def test_sample_keystone(dbaudit: Dbaudit, on: tuple[str, ...], leftovers: Callable[[], list[str]]) -> None:
    ran = dbaudit("dry-run", KEYSTONE, "--to", "havana", "--format", "json", *on)
    assert ran.code == 2, ran.err
    report = ran.json
    assert report["verdict"] == "failed"
    assert report["basis"] == "predicted"
    assert report["target"] == "havana"
    (database,) = report["databases"]
    assert (database["service"], database["release"], database["version"]) == ("keystone", "grizzly", {"keystone": 22})
    assert database["complete"] is True
    assert blocks(report) == [("keystone:33", "ec2_credential")]
    found = {each["check"]: each for each in report["findings"]}
    assert found["keystone.ec2-conflict"]["count"] == 3
    assert found["keystone.bloated-tokens"]["count"] == 2850
    assert found["schema.extra-table"]["object"] == "token_archive"
    assert found["schema.extra-column"]["object"] == "user.ldap_dn"
    assert [step["step"] for step in report["steps"]] == [f"keystone:{number}" for number in range(23, 37)]
    assert {step["status"] for step in report["steps"]} == {"not-run"}
    assert leftovers() == []


def test_sample_cinder_in_words(dbaudit: Dbaudit) -> None:
    ran = dbaudit("dry-run", CINDER, "--to", "havana")
    assert ran.code == 2, ran.err
    assert "FAILED  the upgrade to havana stops at cinder:11" in ran.out
    assert "site_volume_audit" in ran.out
    assert "Steps (12 pending, none was run)" in ran.out
    assert "\x1b[" not in ran.out


def test_secrets_are_in_no_report(dbaudit: Dbaudit, tmp_path: Path) -> None:
    ran = dbaudit("dry-run", KEYSTONE, "--to", "havana", "--format", "text", "--format", f"json={tmp_path / 'r.json'}")
    dump = gzip.decompress(KEYSTONE.read_bytes()).decode()
    values = dump.partition("INSERT INTO `ec2_credential` VALUES ")[2].partition(";")[0]
    secrets = [row.split("','")[1] for row in values.split("),(")]
    assert len(secrets) == 40
    said = ran.out + ran.err + (tmp_path / "r.json").read_text()
    assert not [secret for secret in secrets if secret in said]


def test_output_file_and_formats(dbaudit: Dbaudit, tmp_path: Path) -> None:
    ran = dbaudit("dry-run", CINDER, "--to", "havana", "--format", "json", "-o", tmp_path / "report.json")
    assert ran.code == 2
    assert ran.out == ""
    assert json.loads((tmp_path / "report.json").read_text())["format"] == 1


def test_standard_input(dbaudit: Dbaudit, leftovers: Callable[[], list[str]]) -> None:
    ran = dbaudit("dry-run", "-", "--to", "havana", "--format", "json", stdin=CINDER.read_bytes())
    assert ran.code == 2, ran.err
    assert ran.json["databases"][0]["operand"] == "-"
    assert leftovers() == []


STEPS = {
    "010_transfers.sql": "CREATE TABLE transfers (id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36) NOT NULL,"
    " FOREIGN KEY (volume_id) REFERENCES volumes (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8;",
    "011_bootable.sql": "ALTER TABLE volumes ADD COLUMN bootable TINYINT(1);\nUPDATE volumes SET bootable = 0;",
    "012_attached_host.sql": "ALTER TABLE volumes ADD COLUMN attached_host VARCHAR(255);",
}


def test_steps_are_run_and_confirm_what_was_predicted(dbaudit: Dbaudit, on: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    for name, sql in STEPS.items():
        (folder / name).write_text(sql)
    kept = tmp_path / "kept"
    words = ("--format", "json", "--runner", f"sql:{folder}", "--runner-output", kept, *on)
    ran = dbaudit("dry-run", CINDER, "--to", "havana", *words)
    assert ran.code == 2, ran.err
    report = ran.json
    assert report["basis"] == "rehearsed"
    status = {step["step"]: step["status"] for step in report["steps"]}
    assert status["cinder:10"] == "ok"
    assert status["cinder:11"] == "failed"
    assert {status[f"cinder:{number}"] for number in range(12, 22)} == {"not-run"}
    (found,) = [each for each in report["findings"] if each["effect"] == "blocks"]
    assert (found["step"], found["confirmed"]) == ("cinder:11", True)
    failed = next(step for step in report["steps"] if step["status"] == "failed")
    assert "1060" in failed["error"]
    assert Path(failed["output"]).parent == kept
    assert "bootable" in Path(failed["output"]).read_text()
    assert "dry-run.not-the-same-server" in {each["check"] for each in report["findings"]}


def test_budgets_and_waivers_of_dbaudit_toml(dbaudit: Dbaudit, tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    (folder / "010_slow.sql").write_text("SELECT SLEEP(0.3);")
    who = 'reason = "billing"\nowner = "ann"\nexpires = 2999-12-31\n'
    (tmp_path / "dbaudit.toml").write_text(
        f'[[waiver]]\ncheck = "schema.extra-*"\nobject = "site_*"\n{who}'
        '[[budget]]\nstep = "cinder:10"\nseconds = 0.2\n[[budget]]\nstep = "cinder:11"\nseconds = 9\n'
    )
    words = ("dry-run", CINDER, "--to", "havana", "--runner", f"sql:{folder}")
    report = dbaudit(*words, "--format", "json").json
    (over,) = [each for each in report["findings"] if each["check"] == "budget.seconds"]
    assert (over["step"], over["effect"], over["severity"]) == ("cinder:10", "slow", "error")
    assert over["facts"]["measured"] >= 0.3 > over["facts"]["limit"]
    assert {each["object"] for each in report["findings"] if "waived" in each} == {"site_volume_audit"}
    assert {"check": "budget.seconds", "reason": "cinder:11: it was not run"} in report["skipped"]
    text = dbaudit(*words).out
    assert "Waived (1)" in text
    assert "Waived until 2999-12-31 by ann: billing" in text


def test_budgets_of_rows_and_growth(dbaudit: Dbaudit, tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    more = "CREATE TABLE more (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200));\n"
    more += "INSERT INTO more (text) VALUES ('');"
    double = "INSERT INTO more (text) SELECT REPEAT('x', 200) FROM more;\n"
    (folder / "010_grows.sql").write_text(f"{more}\n{double * 14}")
    (folder / "011_rests.sql").write_text("DO 1;")
    (tmp_path / "dbaudit.toml").write_text(
        '[[budget]]\nstep = "*:1[01]"\nrows = 10_000\ngrowth = "1 MB"\n[[budget]]\nstep = "*:1[01]"\ngrowth = "5 %"\n'
    )
    report = dbaudit("dry-run", CINDER, "--to", "havana", "--runner", f"sql:{folder}", "--format", "json").json
    over = {each["check"]: each for each in report["findings"] if each["check"].startswith("budget.")}
    assert {each["step"] for each in over.values()} == {"cinder:10"}
    assert set(over) == {"budget.rows", "budget.growth", "budget.growth-share"}
    assert 2**14 <= over["budget.rows"]["facts"]["measured"] < 2**14 + 100  # the bookkeeping of the steps too
    assert over["budget.growth"]["facts"]["measured"] > 10**6
    assert report["window"]["reason"] == "step cinder:12 was not run"


def test_a_failure_that_nobody_predicted_is_a_finding(dbaudit: Dbaudit, tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    (folder / "010_wrong.sql").write_text("CREATE TABEL transfers (id INT);")
    report = dbaudit("dry-run", CINDER, "--to", "havana", "--format", "json", "--runner", f"sql:{folder}").json
    found = next(each for each in report["findings"] if each["check"] == "dry-run.step-failed")
    assert (found["step"], found["effect"], found["confirmed"]) == ("cinder:10", "blocks", True)
    unmet = next(each for each in report["findings"] if each["step"] == "cinder:11" and each["effect"] == "blocks")
    assert unmet["confirmed"] is None


@pytest.mark.heavy  # the runner itself is tested on all
def test_command_runner_through_the_command_line(dbaudit: Dbaudit, on: tuple[str, ...], tmp_path: Path) -> None:
    """A tool of the test's own, which reads its configuration file and steps one version at a time."""
    tool = tmp_path / "cinder-manage"
    tool.write_text(TOOL.replace("{python}", sys.executable).replace("{body}", BODY))
    tool.chmod(0o755)
    ran = dbaudit(
        "dry-run", CINDER, "--to", "havana", "--format", "json",
        "--runner", f"command:{tool} --config-file {{config}} db sync {{version}}", *on,
    )  # fmt: skip
    assert ran.code == 2, ran.err
    report = ran.json
    assert [s["status"] for s in report["steps"]][:3] == ["ok", "failed", "not-run"], report["steps"][:3]
    assert any("reads the configuration it is given" in note for note in report["notes"])


BODY = """
    db = connect(URL)
    if words[-1] == "version":
        return say(ask(db, "SELECT version FROM migrate_version")[0][0])
    if words[-1] == "11":
        ask(db, "ALTER TABLE volumes ADD COLUMN bootable TINYINT(1)")
    ask(db, "UPDATE migrate_version SET version = " + words[-1])
"""


@pytest.mark.parametrize("name", ["cinder", "glance", "keystone", "nova-cell", "nova-top"])
def test_no_false_alarm_on_real_databases(corpus: Path, dbaudit: Dbaudit, name: str) -> None:
    ran = dbaudit("dry-run", corpus / "data" / f"{name}-grizzly.sql.gz", "--to", "havana", "--format", "json")
    report = ran.json
    assert blocks(report) == []
    assert [each for each in report["findings"] if each["effect"] == "drift"] == []
    counts = json.loads((corpus / "data" / "rowcounts.json").read_text())
    assert report["databases"][0]["rows"] == sum(rows for rows, _ in counts[f"{name}-grizzly"].values())


def variants() -> list[str]:
    from tests.conftest import CORPUS

    return sorted(path.name.removesuffix(".truth.json") for path in (CORPUS / "local").glob("*.truth.json"))


@pytest.mark.parametrize("name", variants() or ["none"])
def test_failing_step_of_the_real_upgrade_is_predicted(corpus: Path, dbaudit: Dbaudit, name: str) -> None:
    truth = json.loads((corpus / "local" / f"{name}.truth.json").read_text())
    upgrade = truth["upgrades"][0]
    failed = f"{truth['service']}:{int(upgrade['failed_migration'][:3])}" if upgrade["rc"] else None
    told = ["--database-charset", "latin1"] if name.endswith("latin1") else []
    dump = corpus / "local" / f"{name}-grizzly.sql.gz"
    ran = dbaudit("dry-run", dump, "--to", upgrade["to"], "--format", "json", *told)
    steps = [step for step, _ in blocks(ran.json)]
    assert (steps[0] if steps else None) == failed
    assert ran.code == (2 if failed else ran.code)


def test_charset_of_the_database_is_asked_for(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """Cinder 32 makes a table in the database's default charset: not told is skipped, told is judged."""
    text = gzip.decompress(CINDER.read_bytes()).decode().replace("  `bootable` varchar(5) DEFAULT NULL,\n", "")
    plain = tmp_path / "plain.sql"
    plain.write_text(
        text.partition("INSERT INTO `volumes`")[0] + text.partition("INSERT INTO `volumes`")[2].partition("\n")[2]
    )
    ran = dbaudit("dry-run", plain, "--to", "kilo", "--format", "json")
    reasons = [skip["reason"] for skip in ran.json["skipped"] if skip["check"] == "step.foreign-key-refused"]
    assert any("cinder:32" in reason and "default_character_set_name" in reason for reason in reasons)
    assert blocks(ran.json) == []
    ran = dbaudit("dry-run", plain, "--to", "kilo", "--format", "json", "--database-charset", "latin1")
    assert blocks(ran.json)[0] == ("cinder:32", "volume_type_projects(volume_type_id)")
    ran = dbaudit("dry-run", plain, "--to", "kilo", "--format", "json", "--database-charset", "utf8")
    assert blocks(ran.json) == []
    assert "step.foreign-key-refused" not in {skip["check"] for skip in ran.json["skipped"]}
    told = tmp_path / "told.sql"
    told.write_text("CREATE DATABASE `c` DEFAULT CHARACTER SET latin1;\nUSE `c`;\n" + plain.read_text())
    ran = dbaudit("dry-run", told, "--to", "kilo", "--format", "json")
    assert blocks(ran.json)[0][0] == "cinder:32"


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    script = (
        "import sys; from dbaudit.cli.app import run; run(['--help']);"
        "heavy = {'sqlalchemy', 'alembic', 'pymysql', 'rich', 'deepdiff', 'testcontainers', 'docker'};"
        "heavy &= set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_the_sites_own_is_a_note(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """dbaudit.toml in the working directory: a note while no pending step touches it, drift where one does."""
    entry = '[[own]]\n{what}\nreason = "audit"\nowner = "storage team"\n'
    (tmp_path / "dbaudit.toml").write_text(
        entry.format(what='table = "site_*"') + entry.format(what='table = "volumes"\ncolumn = "bootable"')
    )
    report = dbaudit("dry-run", CINDER, "--to", "havana", "--format", "json").json
    found = {(each["object"], each["effect"]): each for each in report["findings"]}
    own = found["site_volume_audit", "advice"]
    assert own["severity"] == "note"
    assert "storage team" in own["message"]
    assert [name for name, effect in found if effect == "drift"] == ["volumes.bootable"]
    assert "Ask storage team" in found["volumes.bootable", "drift"]["remedy"]


def with_objects(text: str, *statements: str) -> str:
    before, mark, after = text.rpartition("-- Dump completed")
    return before + "\n".join(statements) + "\n" + mark + after


def test_site_objects_on_what_a_step_changes(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """A view, a trigger and an index stand on what pending steps drop or write: that is said, and passwords are not."""
    text = gzip.decompress(KEYSTONE.read_bytes()).decode()
    key = "CONSTRAINT `credential_ibfk_1`"
    text = text.replace(key, f"KEY `site_cred` (`type`),\n  {key}")
    text = with_objects(
        text,
        "CREATE VIEW `v_keys` AS select `ec2_credential`.`access` AS `access` from `ec2_credential`;",
        "DELIMITER ;;\nCREATE TRIGGER `t_cred` AFTER INSERT ON `credential` FOR EACH ROW SET @x = 1;;\nDELIMITER ;",
        "CREATE TABLE `far` (\n  `id` int(11) NOT NULL\n) ENGINE=FEDERATED CONNECTION='mysql://root:s3cr3tpw@db/x/y';",
    )
    (tmp_path / "k.sql").write_text(text)
    ran = dbaudit("dry-run", "k.sql", "--to", "havana", "--format", "json")
    assert ran.code == 2, ran.err
    steps = {each["object"]: each["facts"].get("steps") for each in ran.json["findings"] if each["effect"] == "drift"}
    assert "keystone:33" in steps["v_keys"]
    assert "keystone:33" in steps["credential.t_cred"]
    assert steps["credential.site_cred"] == ["keystone:31"]
    assert "s3cr3tpw" not in ran.out


def test_what_cannot_be_read_is_skipped_and_named(dbaudit: Dbaudit, tmp_path: Path) -> None:
    text = gzip.decompress(CINDER.read_bytes()).decode()
    (tmp_path / "c.sql").write_text(with_objects(text, "CREATE TABLE `one` (`id` int(11) NOT NULL) ENGINE=InnoDB;"))
    ran = dbaudit("dry-run", "c.sql", "--to", "havana", "--format", "json")
    assert ran.code == 2, ran.err
    assert blocks(ran.json) == [("cinder:11", "volumes.bootable")]
    assert any("one" in skip["reason"] for skip in ran.json["skipped"])


def test_rows_of_other_repositories_change_nothing(dbaudit: Dbaudit, tmp_path: Path) -> None:
    text = gzip.decompress(CINDER.read_bytes()).decode()
    more = "INSERT INTO `migrate_version` VALUES ('weird','x',1),('none','y',NULL);"
    (tmp_path / "c.sql").write_text(with_objects(text, more))
    ran = dbaudit("dry-run", "c.sql", "--to", "havana", "--format", "json")
    assert blocks(ran.json) == [("cinder:11", "volumes.bootable")], ran.err


def test_a_view_in_the_place_of_a_new_table(dbaudit: Dbaudit, tmp_path: Path) -> None:
    text = gzip.decompress(CINDER.read_bytes()).decode()
    (tmp_path / "c.sql").write_text(with_objects(text, "CREATE VIEW `transfers` AS select 1 AS `x`;"))
    ran = dbaudit("dry-run", "c.sql", "--to", "havana", "--format", "json")
    assert ("cinder:10", "transfers") in blocks(ran.json)


def test_a_disproved_prediction_does_not_fail_the_upgrade(dbaudit: Dbaudit, tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    for number in range(10, 13):
        (folder / f"{number:03}_nothing.sql").write_text("SELECT 1;")
    words = ("dry-run", CINDER, "--to", "havana", "--runner", f"sql:{folder}")
    ran = dbaudit(*words)
    assert ran.code == 1, ran.out
    assert "only 3 of 12 steps to havana were run, from cinder:13 on none" in ran.out
    assert "(not confirmed)" in ran.out


def test_control_characters_do_not_reach_the_terminal(dbaudit: Dbaudit, tmp_path: Path) -> None:
    text = gzip.decompress(CINDER.read_bytes()).decode().replace("site_volume_audit", "site\x1b[31maudit")
    (tmp_path / "c.sql").write_text(text)
    ran = dbaudit("dry-run", "c.sql", "--to", "havana")
    assert "\x1b" not in ran.out
    assert "site\\x1b[31maudit" in ran.out
