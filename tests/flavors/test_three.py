"""A reconcile of three cells, the third on another server, which is killed as its turn to be committed comes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from dbaudit.cells.looking import Looking
from dbaudit.comparison.live import Credentials
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.dump.restore import restore
from dbaudit.errors import DbauditError
from dbaudit.flavors.check import check
from dbaudit.flavors.reconcile import apply
from dbaudit.flavors.retreat import refuse_undo
from dbaudit.flavors.survey import Order
from dbaudit.repair.prepared import Prepared
from dbaudit.repair.retract import undo
from dbaudit.repair.target import open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.server.place import Places
from dbaudit.server.server import Server
from tests import cluster, matrix
from tests.cluster import Member
from tests.flavors.cloud import CONFIRMED, Cut, Dumps
from tests.repair.dumps import dump
from tests.repair.members import again

pytestmark = pytest.mark.heavy

ORDER = Order(journal="journal")
NAMES = ("top", "cell1", "cell2", "cell3")
# A cell of its own: a third of the instances each.
CUTS = dict(zip(NAMES, (Cut(), *(Cut(third=number) for number in range(3))), strict=True))


@pytest.fixture
def members(places: Places) -> Iterator[tuple[Member, Member]]:
    """A server of the top and two cells, and one of the third cell whose commits are durable."""
    with contextlib.ExitStack() as stack:
        made = []
        for options in ([], ["--innodb-flush-log-at-trx-commit=1"]):
            try:
                made.append(cluster.begin(places, cluster.mariadb(), [*options, "--skip-networking"]))
            except matrix.AbsentError as error:
                pytest.skip(str(error))
            stack.callback(made[-1].close)
        yield made[0], made[1]


def run(server: Server, name: str, *statements: str) -> None:
    with contextlib.closing(server.admin(name)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def contents(server: Server, name: str) -> list[str]:
    return [line for line in dump(server, name) if not line.startswith("CREATE")]  # a restart changes the counters


@pytest.mark.no_cover  # long, along lines that others take too
def test_a_third_server_that_is_killed_is_told_and_a_rerun_completes(
    members: tuple[Member, Member], dumps: Dumps, looking: Looking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = members
    servers = dict(zip(NAMES, (here, here, here, there), strict=True))
    urls: dict[str, URL] = {}
    for name, server in servers.items():
        index = dumps.index("top" if name == "top" else "cell", "havana", CUTS[name])
        restore(index, server, {index.databases[0].name: name})
        run(server, name, *CONFIRMED)
        urls[name] = server.url(server.restricted([*NAMES, "journal"]), name)

    def sides() -> list[Side]:
        texts = [urls[name].render_as_string(hide_password=False) for name in NAMES]
        return [read_operand(text, Reading(tmp_path, None, Credentials())) for text in texts]

    before = {name: contents(servers[name], name) for name in NAMES}
    commit = Prepared.commit

    def killed(self: Prepared) -> int:
        if self.target.database == "cell3":
            there.process.kill()
            there.process.wait()
        return commit(self)

    monkeypatch.setattr(Prepared, "commit", killed)
    with pytest.raises(DbauditError) as told:
        apply(sides(), looking, ORDER)
    monkeypatch.setattr(Prepared, "commit", commit)
    assert "the commit on mysql+pymysql://" in told.value.what
    assert "/cell3" in told.value.what.partition("failed")[0]
    wrote = told.value.what.partition("written before it were ")[2]
    assert wrote.count(": run ") == 2
    assert "/cell1" in wrote
    assert "/cell2" in wrote
    again(there)
    assert contents(there, "cell3") == before["cell3"]
    run(there, "journal", "UPDATE lease SET expires = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")  # our process lives
    rest = apply(sides(), looking, ORDER)
    (last,) = rest.extra["runs"]
    assert "/cell3" in last
    assert not apply(sides(), looking, ORDER).extra["runs"]
    unproven = {key for each in rest.findings for key in each.keys}
    left = [each for each in check(sides(), looking).findings if each.check.startswith("flavors.points")]
    assert {key for each in left for key in each.keys} <= unproven
    assert not [each for each in check(sides(), looking).findings if each.check == "flavors.id-disagreement"]
    runs = [("cell3", last.rpartition(" ")[2].rstrip("`"))]
    runs += [(f"cell{number}", part.split(";")[0].strip()) for number, part in enumerate(wrote.split(": run ")[1:3], 1)]
    for name, number in runs:
        undo(open_target(urls[name], "journal"), number, Throttle(), refuse=refuse_undo)
    assert {name: contents(servers[name], name) for name in NAMES} == before
