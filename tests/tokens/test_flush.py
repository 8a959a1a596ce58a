"""What a flush deletes and what it leaves, on every server: a plan changes nothing, --apply exactly what is dead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from dbaudit.repair.throttle import Throttle
from dbaudit.tokens.flush import GENTLE, Report
from dbaudit.tokens.opened import Wish, open_flush
from dbaudit.tokens.run import Run, flush
from tests.cli.conftest import Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import AT, EVENTS, EVERYTHING, GRIZZLY, HAVANA, LABELS, MEMBERSHIPS, NOW, TOKENS


def labels(execute: Execute, table: str) -> list[str]:
    return sorted(row[0] for row in execute(f"SELECT {LABELS[table]} FROM {table}"))


def every(execute: Execute) -> dict[str, list[str]]:
    return {table: labels(execute, table) for table in LABELS}


def living(before: dict[str, list[str]]) -> dict[str, list[str]]:
    return {table: [each for each in rows if not each.startswith("dead")] for table, rows in before.items()}


def test_a_plan_changes_nothing_and_says_what_is_dead(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str
) -> None:
    execute(*EVERYTHING)
    before = every(execute)
    ran = dbaudit("tokens", "flush", url, *AT, "--journal-schema", journal)
    assert ran.code == 0, ran.err
    assert ran.out.index("journal=none") < ran.out.index("token: 3 of 8 rows dead")
    assert "with them: 6 rows of trust_role" in ran.out
    assert "2 rows without an expiry: reported, never deleted" in ran.out
    assert "1 row invalid and not yet expired: kept" in ran.out
    assert every(execute) == before
    assert not execute(f"SHOW DATABASES LIKE '{journal}'")


@pytest.mark.parametrize("profile", ["--fast", "--gentle"])
def test_exactly_the_dead_go(dbaudit: Dbaudit, execute: Execute, url: str, journal: str, profile: str) -> None:
    execute(*EVERYTHING)
    before = every(execute)
    words = ("tokens", "flush", url, *AT, "--journal-schema", journal, "--apply", profile)
    ran = dbaudit(*words)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert every(execute) == living(before)
    assert execute("SELECT COUNT(*) FROM application_credential_role")[0][0] == 6
    again = dbaudit(*words, "--format", "json")
    assert again.code == 0
    assert [each["deleted"] for each in again.json["flush"]["tables"]] == [0] * 5


def test_what_was_deleted_is_in_the_summary(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*EVERYTHING)
    ran = dbaudit(
        "tokens", "flush", url, *AT, "--journal-schema", journal, "--apply", "--format", "json"
    )  # fmt: skip
    tables = {each["table"]: each for each in ran.json["flush"]["tables"]}
    assert {name: each["deleted"] for name, each in tables.items()} == {
        "token": 3, "trust": 3, "revocation_event": 2, "application_credential": 2,
        "expiring_user_group_membership": 2,
    }  # fmt: skip
    assert tables["trust"]["children_deleted"] == {"trust_role": 6}
    assert tables["application_credential"]["children_deleted"] == {"application_credential_role": 4}
    assert "default_authorization_ttl" in tables["expiring_user_group_membership"]["note"]
    assert ran.json["flush"]["journal"] == "none"
    assert "impossible" not in json.dumps(ran.json["skipped"])


def test_the_default_ttl_is_told_by_keystone_conf(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: object
) -> None:
    execute(*MEMBERSHIPS)
    conf = tmp_path / "keystone.conf"
    conf.write_text(f"[database]\nconnection = {url}\n[federation]\ndefault_authorization_ttl = 10\n")
    ran = dbaudit("tokens", "flush", conf, "--before", NOW, "--journal-schema", journal, "--apply")
    assert ran.code == 0, ran.err
    assert labels(execute, "expiring_user_group_membership") == ["edge", "living"]


@pytest.mark.parametrize("ddl", [(GRIZZLY,), HAVANA], ids=["grizzly", "havana"])
def test_it_says_which_way_it_goes(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, ddl: tuple[str, ...]
) -> None:
    execute(*ddl, TOKENS)
    words = ("tokens", "flush", url, "--before", NOW, "--journal-schema", journal)
    plan = dbaudit(*words).out
    indexed = "no index on the expiry" not in plan
    assert indexed == (ddl is HAVANA)
    assert indexed or "the whole table is read" in plan
    assert dbaudit(*words, "--apply").code == 0
    assert labels(execute, "token") == ["edge", "living", "never", "never-invalid", "revoked"]


def test_a_cutoff_that_is_yet_to_come_is_refused(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*HAVANA, TOKENS)
    ran = dbaudit("tokens", "flush", url, "--before", "2100-01-01", "--journal-schema", journal, "--apply")
    assert ran.code == 64
    assert "yet to come" in ran.err
    assert len(labels(execute, "token")) == 8


def test_revocation_events_stay_where_nothing_tells_how_long_tokens_live(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str
) -> None:
    execute(*EVERYTHING)
    before = every(execute)
    words = ("tokens", "flush", url, "--before", NOW, "--journal-schema", journal)
    for more in ((), ("--journal",), ("--apply",), ("--apply", "--journal")):
        ran = dbaudit(*words, *more, "--format", "json")
        assert ran.code == 0, ran.err
        assert [each["check"] for each in ran.json["skipped"]] == ["tokens.revocation_event"]
        assert "[token] expiration is not known" in ran.json["skipped"][0]["reason"]
    assert every(execute) == {**living(before), "revocation_event": before["revocation_event"]}
    silent = dbaudit(*words, "--apply")
    assert silent.code == 0
    assert "SKIPPED  tokens.revocation_event" in silent.out
    assert dbaudit(*words, "--apply", "--only", "revocation_event").code == 1
    assert every(execute)["revocation_event"] == before["revocation_event"]


@pytest.mark.parametrize(
    ("setting", "left"),
    [("", ["edge", "living"]), ("[token]\nexpiration = 86400\n", ["dead-edge", "edge", "living"])],
    ids=["default", "a day"],
)
def test_keystone_conf_tells_how_long_tokens_live(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: Path, setting: str, left: list[str]
) -> None:
    execute(*EVENTS)
    conf = tmp_path / "keystone.conf"
    conf.write_text(f"[database]\nconnection = {url}\n{setting}")
    ran = dbaudit("tokens", "flush", conf, "--before", NOW, "--journal-schema", journal, "--apply")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert labels(execute, "revocation_event") == left


class Writing(Throttle):
    """Writes more than a chunk whenever the flush waits."""

    def __init__(self, execute: Execute) -> None:
        super().__init__()
        self._execute, self.times = execute, 0

    def wait(self, alive: Callable[[], None] = lambda: None) -> None:
        self.times += 1
        assert self.times < 40, "it follows the writer"
        self._execute(MORE)


MORE = (
    "INSERT INTO revocation_event (audit_id, issued_before, revoked_at) "
    "SELECT 'since', '2013-01-01', '2013-01-01' FROM (SELECT id FROM revocation_event LIMIT 2100) t"
)


def test_a_faster_writer_is_not_followed(execute: Execute, url: str, journal: str) -> None:
    execute(*EVENTS, *(["INSERT INTO revocation_event (audit_id, issued_before, revoked_at) "
                        "SELECT 'dead', '2013-01-01', '2013-01-01' FROM revocation_event"] * 10))  # fmt: skip
    dead = execute("SELECT COUNT(*) FROM revocation_event WHERE revoked_at < '2013-11-15 10:30:00'")[0][0]
    options = {"expiration": 3600, "buffer": 1800}
    opened = open_flush(Wish(make_url(url), NOW, ("revocation_event",), options, journal=journal))
    report = Report(GENTLE)
    writing = Writing(execute)
    flush(opened, Run(writing), report)
    assert [(each.tally.rows, each.complete) for each in report.done] == [(dead, True)]
    since = execute("SELECT COUNT(*) FROM revocation_event WHERE audit_id = 'since'")[0][0]
    assert since > 2000
