"""The plugin for users' own tests: what it finds, what it says, and that it costs nothing where it is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbaudit.server.place import Places
from dbaudit.server.server import Server

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "fixtures" / "dumps"
EXAMPLE = ROOT / "contrib" / "example"
REFERENCE = ROOT / "checks" / "cinder" / "schema" / "grizzly.sql"


def pytest_in(folder: Path, places: Places, server: Server, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user does, on a server of the matrix that is started anew."""
    # A private server is found by the path, on which the wanted one comes first.
    program = Path(server.label.partition("(")[2].rstrip(")"))
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    wish = f"container:{server.label.rpartition(' of ')[2]}" if server.kind == "container" else "private"
    own = {"PATH": path, "TMPDIR": str(places.tmp), "XDG_CACHE_HOME": str(places.cache), "PYTHONPATH": str(ROOT)}
    plugin = [] if is_installed() else ["-p", "dbaudit.testing"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "--dbaudit-server", wish, folder],
        env={**os.environ, **own, **{name: str(value) for name, value in variables.items()}},
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(each.value == "dbaudit.testing" for each in entry_points(group="pytest11"))


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A dump of cinder as Grizzly made it, and nothing in it."""
    path = tmp_path / "cinder.sql"
    versions = "INSERT INTO `migrate_version` VALUES ('cinder','/usr/share/cinder',9);\n"
    text = REFERENCE.read_text()
    path.write_text(
        f"-- MySQL dump 10.13  Distrib 5.6.24\n{text}\n{versions}-- Dump completed on 2013-05-01  5:00:00\n"
    )
    return path


def test_the_example_passes_on_a_healthy_dump(clean: Path, server: Server, places: Places) -> None:
    ran = pytest_in(EXAMPLE, places, server, NIGHTLY_DUMP=clean)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_example_names_every_fault(server: Server, places: Places) -> None:
    ran = pytest_in(EXAMPLE, places, server, NIGHTLY_DUMP=SAMPLES / "keystone-grizzly.sql.gz", NEXT_RELEASE="havana")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "keystone.ec2-conflict: ec2_credential: " in ran.stdout
    assert "bloated-tokens" not in ran.stdout
    assert "Traceback" not in ran.stdout and "site-packages" not in ran.stdout


SCHEMAS = """
import pytest
from pathlib import Path

def test_same(dbaudit_database, assert_same_schema):
    first, second = (dbaudit_database(dump={dump!r}) for _ in range(2))
    assert first.name != second.name and (first.service, first.release) == ("cinder", "grizzly")
    assert_same_schema(first, second)
    assert_same_schema(first, "cinder@grizzly")
    assert_same_schema({dump!r}, Path({dump!r}))
    with first.connect() as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE volumes ADD COLUMN colour INT")
    with pytest.raises(pytest.fail.Exception, match=r"volumes.colour is only on the left side"):
        assert_same_schema(first, second)

def test_gone(dbaudit_server, assert_no_findings):
    with dbaudit_server.admin() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 't%\\\\_%\\\\_%'")
        assert cursor.fetchall() == ()

def test_severity(dbaudit_database, assert_no_findings):
    with pytest.raises(pytest.fail.Exception, match="one of note, warning, error"):
        assert_no_findings({dump!r}, severity="grave")
    assert_no_findings({dump!r}, to="havana", severity="error")
"""


def test_schemas_and_databases(clean: Path, server: Server, places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "test_schemas.py").write_text(SCHEMAS.format(dump=str(clean)))
    ran = pytest_in(folder, places, server)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.server("mariadb")
def test_an_unknown_database_is_no_pass(server: Server, places: Places, tmp_path: Path) -> None:
    dump = tmp_path / "shop.sql"
    dump.write_text("-- MySQL dump 10.13  Distrib 5.6.24\nCREATE TABLE `t` (\n  `a` int\n);\n-- Dump completed\n")
    ran = pytest_in(EXAMPLE, places, server, NIGHTLY_DUMP=dump)
    assert ran.returncode == 1 and "does not know which release this is" in ran.stdout
    ran = pytest_in(EXAMPLE, places, server, NIGHTLY_DUMP=tmp_path / "nowhere.sql")
    assert ran.returncode == 1 and "nowhere.sql" in ran.stdout and "hint: " in ran.stdout
    assert "Traceback" not in ran.stdout and "dbaudit/" not in ran.stdout


def test_importing_it_is_quick() -> None:
    """pytest imports it in every run of every project."""
    said = subprocess.run(
        [sys.executable, "-c", "import sys, pytest; before = set(sys.modules); import dbaudit.testing;"
         "print(*sorted(set(sys.modules) - before))"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout.split()  # fmt: skip
    assert set(said) <= {"dbaudit", "dbaudit.testing"}
