"""Initialised data directories: made once for each server program, kept in the cache, copied for each start.

A template is data that a server will run, so one is used only where nobody but us can have written it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError
from dbaudit.server import disk, options
from dbaudit.server.binary import Binary, Share, find_share
from dbaudit.server.identity import Identity
from dbaudit.server.lifeline import Lifeline, Order
from dbaudit.server.log import tail

# Raise it when what goes into a template changes, so that those of older dbaudits are not used.
_FORMAT = 1
# Seconds for a server to make its first data directory: 0.4 to 5 here, and much more on a slow disk.
_INITIALISE_WITHIN = 300
# Seconds after which a template that nobody used is removed when another one is made.
_UNUSED_FOR = 90 * 24 * 3600

# The SQL that fills a new data directory of servers that cannot do so themselves, under the names of all releases.
_BOOTSTRAP = (
    ("mysql_system_tables.sql", "mariadb_system_tables.sql"),
    ("mysql_performance_tables.sql", "mariadb_performance_tables.sql"),
    ("mysql_system_tables_data.sql", "mariadb_system_tables_data.sql"),
    ("maria_add_gis_sp_bootstrap.sql", "maria_add_gis_sp_bootstrap.sql"),
    ("mysql_sys_schema.sql", "mariadb_sys_schema.sql"),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a data directory is made with, and by whom."""

    binary: Binary
    identity: Identity
    cache: Path

    @property
    def path(self) -> Path:
        """Where its template is kept: by program, version and time of change."""
        program = self.binary.path.resolve()
        found, version = program.stat(), self.binary.version
        key = f"{program}\0{found.st_size}\0{found.st_mtime_ns}\0{version.text}\0{_FORMAT}"
        number = ".".join(map(str, version.numbers))
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.cache / "templates" / f"{version.vendor}-{number}-{digest}"


def fill(recipe: Recipe, data: Path, lifeline: Lifeline, log: Path) -> bool:
    """Fill the empty directory `data`, beside which is one `tmp`; whether it came from a template.

    Raises DbauditError with the server's log.
    """
    template = recipe.path
    try:
        if _trusted(template, template.parent, recipe.cache):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another dbaudit has just dropped it
                os.utime(template)
                _copy(template, data, recipe.identity)
                return True
            empty(data)
        _initialise(recipe, data, lifeline, log)
    except OSError as error:
        raise _copy_error(error, data) from error
    _keep(data, recipe)
    return False


def drop(recipe: Recipe) -> None:
    """Forget a template, since a server did not start from it."""
    shutil.rmtree(recipe.path, ignore_errors=True)


def empty(data: Path) -> None:
    """Remove what is in `data`, but not `data`."""
    for entry in os.scandir(data):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _copy_error(error: OSError, data: Path) -> DbauditError:
    if disk.tells_full(str(error)):
        return disk.full_error(data.parent)
    return DbauditError(f"cannot make the data directory of a private server in {data.parent}: {error}")


def _trusted(*places: Path) -> bool:
    """Whether these are directories that nobody but us can write to."""
    for place in places:
        try:
            found = place.lstat()
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return False
    return True


def _copy(source: Path, target: Path, identity: Identity) -> None:
    """What is in the files, and nothing else of them: there are hundreds. They are for the server alone."""

    def copy(old: str, new: str) -> None:
        # With its zeros: a hole needs room when the server first writes there, and a disk that filled up has none.
        shutil.copyfile(old, new)
        os.chmod(new, 0o600)
        if identity.drop:
            os.chown(new, identity.uid, identity.gid)

    shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True, copy_function=copy)
    target.chmod(0o700)
    if identity.drop:
        for folder, _, _ in os.walk(target):
            os.chown(folder, identity.uid, identity.gid, follow_symlinks=False)


def _keep(data: Path, recipe: Recipe) -> None:
    """Put a copy of `data` in the cache, all or nothing. A cache that cannot be written to only costs time."""
    template = recipe.path
    with contextlib.suppress(OSError):
        recipe.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        template.parent.mkdir(mode=0o700, exist_ok=True)
        if not _trusted(template.parent, recipe.cache):
            return
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=template.parent))
        try:
            shutil.copytree(data, fresh, dirs_exist_ok=True, symlinks=True)
            (fresh / "auto.cnf").unlink(missing_ok=True)  # the server's UUID: each start makes its own
            fresh.rename(template)  # fails where another dbaudit was faster
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        for old in template.parent.iterdir():
            if time.time() - old.lstat().st_mtime > _UNUSED_FOR:
                shutil.rmtree(old, ignore_errors=True)


def _initialise(recipe: Recipe, data: Path, lifeline: Lifeline, log: Path) -> None:
    binary, identity = recipe.binary, recipe.identity
    share = find_share(binary, identity)
    alone = binary.version.at_least(mysql=(5, 7))
    script = None if alone else _write_bootstrap(binary, share, data.parent / "bootstrap.sql")
    order = Order(
        argv=[
            str(binary.path),
            "--no-defaults",
            *(share.options if share else ()),
            f"--datadir={data}",
            f"--tmpdir={data.parent / 'tmp'}",
            "--initialize-insecure" if alone else "--bootstrap",
            *options.for_template(binary.version),
        ],
        log=str(log),
        cwd=str(data),
        stdin=str(script) if script else None,
        user=(identity.uid, identity.gid) if identity.drop else None,
    )
    lifeline.run(order, identity)
    code = lifeline.exited(_INITIALISE_WITHIN)
    if script:
        script.unlink()
    if code != 0:
        said = tail(log)
        if disk.tells_full(said):
            raise disk.full_error(data.parent)
        how = f"ended with code {code}" if code is not None else f"took more than {_INITIALISE_WITHIN} s"
        raise DbauditError(f"{binary.path} cannot make a data directory: it {how}; its log ends with:\n{said}")


def _write_bootstrap(binary: Binary, share: Share | None, script: Path) -> Path:
    if share is None or not any((share.path / name).is_file() for name in _BOOTSTRAP[0]):
        where = f" in {share.path}" if share else ""
        raise DbauditError(
            f"the files that {binary.path} makes a data directory from (mysql_system_tables.sql) are not found{where}",
            "install the whole server package, or give --server-binary another server",
        )
    script.write_bytes(b"".join(_bootstrap(binary, share.path)))
    return script


def _bootstrap(binary: Binary, share: Path) -> Iterator[bytes]:
    # One statement a line: the bootstrap of MySQL 5.6 reads no other.
    yield b"CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n"
    if binary.version.vendor == "mysql":
        yield b"CREATE DATABASE IF NOT EXISTS performance_schema;\n"
    for names in _BOOTSTRAP:
        for name in names:
            if (share / name).is_file():
                yield (share / name).read_bytes() + b"\n"
                break
    # No anonymous users, no root from elsewhere, and no schema that everybody may write to.
    users = "global_priv" if binary.version.at_least(mariadb=(10, 4)) else "user"
    yield f"DELETE FROM mysql.{users} WHERE User='' OR Host<>'localhost';\nDELETE FROM mysql.db;\n".encode()
