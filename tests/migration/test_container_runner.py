"""A tool in a container. The image is made of this machine's Python, since none is pulled; an engine has to answer."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbaudit.dryrun.rehearsal import Plan, runner_for
from dbaudit.dryrun.request import RunnerRequest
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.alembic_runner import AlembicRunner, project_in_image
from dbaudit.migration.catalogue import load_catalogue
from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.preset_runner import PresetRunner
from dbaudit.migration.runner import Target, version_step
from dbaudit.migration.tool import Surroundings
from dbaudit.release import release
from dbaudit.result import Status
from dbaudit.server.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.server("mariadb")]
PACKAGES = ("alembic", "sqlalchemy", "mako", "markupsafe", "pymysql", "greenlet", "typing_extensions.py")
UNUSED = {
    "test",
    "idlelib",
    "tkinter",
    "ensurepip",
    "site-packages",
    "__pycache__",
    "lib2to3",
    "turtledemo",
    "pydoc_data",
}
TOOL = """#!/usr/bin/python3
import configparser, os, sys
import pymysql
from sqlalchemy import create_engine, text
config = configparser.RawConfigParser()
config.read(sys.argv[sys.argv.index("--config-file") + 1])
url = config["database"]["connection"]
with create_engine(os.environ.get("ELSEWHERE") or url).begin() as connection:
    if sys.argv[-1] == "version":
        print(connection.execute(text("SELECT version FROM migrate_version WHERE repository_id = 'cinder'")).scalar())
        sys.exit()
    print("interfaces:", sorted(line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line))
    print("home:", os.environ["HOME"], "url:", url, "site:", os.environ.get("SITE"))
    said = text("UPDATE migrate_version SET version = :number WHERE repository_id = 'cinder'")
    connection.execute(said, {"number": int(sys.argv[-1])})
"""
ENV = """
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
revision, down_revision = "one", None
from alembic import op
def upgrade():
    op.execute("CREATE TABLE made_in_a_container (id INT)")
"""


@pytest.fixture(scope="module")
def engine() -> str:
    found = shutil.which("docker") or shutil.which("podman")
    if found is None or subprocess.run([found, "info"], capture_output=True, timeout=60).returncode:
        pytest.skip(os.environ.get("DBAUDIT_TEST_NO_ENGINE") or "no container engine answers: images were NOT tested")
    return found


@pytest.fixture(scope="module")
def image(engine: str) -> Iterator[str]:
    """An image with Python, Alembic and a tool, made without pulling anything."""
    name = f"dbaudit-test-runner:{secrets.token_hex(4)}"
    command = [engine, "import", "--change", "ENV PYTHONPATH=/site PATH=/app/bin:/usr/bin:/bin ELSEWHERE=", "-", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as importing:
        assert importing.stdin is not None
        with tarfile.open(fileobj=importing.stdin, mode="w|", dereference=True) as root:
            fill(root)
        importing.stdin.close()
        assert importing.wait(300) == 0
    yield name
    subprocess.run([engine, "rmi", "--force", name], capture_output=True, timeout=120)


def fill(root: tarfile.TarFile) -> None:
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    programs = [base / "bin" / version, Path("/bin/sh"), Path(shutil.which("sed") or "/bin/sed")]
    library = base / "lib" / version

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = set(Path(member.name).parts)
        return None if parts & UNUSED or member.name.endswith(".a") else member

    root.add(library, str(library), filter=kept)
    needed = {*programs}
    site = Path(pytest.__file__).parents[1]
    compiled = (found for each in PACKAGES for found in (site / each).rglob("*.so"))
    for each in (*programs, *library.glob("lib-dynload/*.so"), *compiled):
        said = subprocess.run(["ldd", str(each)], capture_output=True, text=True).stdout
        needed |= {Path(word) for word in said.split() if word.startswith("/")}
    for each in sorted(needed):
        root.add(each, str(each))
    for package in (each for each in PACKAGES if (site / each).exists()):  # greenlet is not in every release
        root.add(site / package, f"/site/{package}", filter=lambda m: None if "__pycache__" in m.name else m)
    link = tarfile.TarInfo("/usr/bin/python3")
    link.type, link.linkname = tarfile.SYMTYPE, str(base / "bin" / version)
    root.addfile(link)
    files = {"/app/bin/cinder-manage": TOOL, "/app/alembic.ini": "[alembic]\nscript_location = /app/scripts\n"}
    files |= {"/site/cinder/__init__.py": "", "/site/cinder/db/sqlalchemy/migrate_repo/migrate.cfg": ""}
    files |= {"/app/scripts/env.py": ENV, "/app/scripts/versions/one.py": REVISION}
    for path, text in files.items():
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(text.encode()), 0o755
        root.addfile(member, io.BytesIO(text.encode()))
    for path in ("/tmp", "/dev", "/proc", "/sys", "/etc"):
        folder = tarfile.TarInfo(path)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        root.addfile(folder)


def surroundings(image: str, **variables: str) -> Surroundings:
    return Surroundings(dict(os.environ), image=image, variables=variables)


COMMAND = "cinder-manage --config-file {config} db sync {version}"


def test_a_step_in_a_container(image: str, engine: str, cinder: Target) -> None:
    with CommandRunner(Command(COMMAND, surroundings(image, SITE="north")), cinder) as runner:
        assert f"runs in a container of {image}, without a network" in runner.prove()
        outcome = runner.run(version_step("cinder", 10))
    said = outcome.output.read_text()
    assert (outcome.error, outcome.revisions) == (None, ("cinder:10",)), said
    assert "interfaces: ['lo']" in said
    assert "site: north" in said
    assert cinder.account.password not in said
    listed = subprocess.run([engine, "ps", "-aq", "--filter", "name=dbaudit-runner-"], capture_output=True, text=True)
    assert listed.stdout == ""


def test_a_tool_of_an_image_by_its_name_alone(image: str, cinder: Target) -> None:
    """Which era it is of is asked of the image's Python, and the steps are those of the catalogue."""
    catalogue = load_catalogue("cinder")
    assert catalogue is not None
    pending = catalogue.pending({"cinder": 9}, release("havana"))[:2]
    request = RunnerRequest("command:cinder-manage", image=image)
    with runner_for(request, Plan("cinder", pending, 9, release("havana")), cinder, dict(os.environ)) as (tool, steps):
        assert isinstance(tool, PresetRunner)
        assert f"runs in a container of {image}, without a network" in tool.prove()
        assert [str(each.step) for each in steps] == ["cinder:10", "cinder:11"]
        outcomes = [tool.run(each) for each in steps]
    assert [(each.error, each.revisions) for each in outcomes] == [(None, ("cinder:10",)), (None, ("cinder:11",))]


def test_a_url_of_the_images_own_is_refused(image: str, cinder: Target, production: Server) -> None:
    own = "mysql+pymysql://root@192.0.2.1/cinder?connect_timeout=2"
    command = Command(COMMAND, surroundings(image, ELSEWHERE=own))
    with CommandRunner(command, cinder) as runner, pytest.raises(DbauditError, match="does not read the configuration"):
        runner.prove()


def test_a_step_that_takes_too_long_leaves_no_container(image: str, engine: str, cinder: Target) -> None:
    slow = Surroundings(dict(os.environ), image=image, limit=3)
    template = "python3 -c 'import time, sys; time.sleep(600)' {config} {version}"
    probe = "cinder-manage --config-file {config} db version"
    with CommandRunner(Command(template, slow, probe=probe), cinder) as runner:
        outcome = runner.run(version_step("cinder", 10))
    assert (outcome.status, outcome.timed_out) == (Status.FAILED, True)
    listed = subprocess.run([engine, "ps", "-aq", "--filter", "name=dbaudit-runner-"], capture_output=True, text=True)
    assert listed.stdout == ""


def test_an_alembic_project_in_a_container(image: str, server: Server, schema: str, tmp_path: Path) -> None:
    target = Target(server, server.restricted([schema]), schema, "shop", tmp_path / "run")
    with AlembicRunner(project_in_image("/app/alembic.ini"), target, surroundings(image)) as runner:
        (step,) = runner.pending()
        outcome = runner.run(step)
    assert (outcome.error, outcome.revisions) == (None, ("one",))
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE 'made%'")
        assert cursor.fetchall()


def test_an_image_that_is_not_there(engine: str, cinder: Target) -> None:
    with CommandRunner(Command(COMMAND, surroundings("no-such-image:1")), cinder) as runner:
        with pytest.raises(UsageError, match="has no image no-such-image:1") as refused:
            runner.prove()
        assert "pulls no images" in refused.value.hint


def test_a_path_in_an_image_is_absolute(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not an absolute path"):
        project_in_image("alembic.ini")
