"""The matrix: on which servers the tests run, where each is had, and which of them are not to be had here.

A wish is one word of `DBAUDIT_TEST_SERVERS`: a flavour (`mysql:5.6`, `mariadb:10.11`, `mariadb` for any), `private`,
`private:/path/of/mysqld`, `container:IMAGE`, or the URL of a server that is marked as throwaway.
"""

from __future__ import annotations

import functools
import operator
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError
from dbaudit.server import binary
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.identity import server_identity
from dbaudit.server.place import Places
from dbaudit.server.server import Server
from dbaudit.server.version import ServerVersion

USUAL = "mariadb,mysql:5.6,mysql:9"
WISHES = os.environ.get("DBAUDIT_TEST_SERVERS", USUAL).replace(",", " ").split()
# Whether a server that is absent fails the run.
INSIST = any(os.environ.get(name, "") not in ("", "0", "false") for name in ("DBAUDIT_TEST_INSIST", "CI"))
REPOSITORY = "dbaudit-test"
_FLAVOUR = re.compile(r"(mysql|mariadb)(?::(\d+(?:\.\d+)*))?")
_RANGE = re.compile(r"(mysql|mariadb)(?:(>=|<=|==|<|>)(\d+(?:\.\d+)*))?")
_COMPARE: dict[str, Callable[[object, object], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


class AbsentError(Exception):
    """There is no such server here; the message says what was looked for."""


def cache() -> Path:
    """Where tests/images/build keeps what it made; the same rule as in tests/images/cache."""
    if named := os.environ.get("DBAUDIT_TEST_CACHE"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/dbaudit-tests")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbaudit-tests"


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


@dataclass(frozen=True)
class Range:
    """What a test asks for: `mysql`, `mysql>=9`, `mariadb<11`, `mysql==5.6` (whatever its last number)."""

    text: str

    def _parts(self) -> tuple[str, str, tuple[int, ...]]:
        found = _RANGE.fullmatch(self.text)
        if not found:
            raise ValueError(f"{self.text!r} is no range; write mysql, mysql>=9 or mariadb<11")
        return found[1], found[2] or "", numbers(found[3]) if found[3] else ()

    def holds(self, vendor: str, version: tuple[int, ...]) -> bool:
        """Whether a server is in it; a version with fewer numbers is compared as far as it goes."""
        wanted, sign, bound = self._parts()
        length = min(len(bound), len(version))
        return vendor == wanted and (not sign or not length or _COMPARE[sign](version[:length], bound[:length]))


def in_ranges(server: ServerVersion, ranges: tuple[str, ...]) -> bool:
    """Whether a test with these ranges wants this server."""
    return not ranges or any(Range(each).holds(server.vendor, server.numbers) for each in ranges)


def may_be_in(wish: str, ranges: tuple[str, ...]) -> bool:
    """The same before the server is there, by what its wish says about it."""
    found = _FLAVOUR.fullmatch(wish)
    if not ranges or not found:
        return True
    return any(Range(each).holds(found[1], numbers(found[2]) if found[2] else ()) for each in ranges)


@functools.cache
def engine_images() -> tuple[str, ...] | None:
    """The names of the images that the engine has; None where no engine answers."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=20)
        return tuple(tag for image in client.images.list() for tag in image.tags)
    except DockerException:
        return None


def unpacked(flavour: str, name: str) -> Path | None:
    """A program that tests/images/build has unpacked for this flavour: `mysqld`, for MySQL 9 also `mysqldump`."""
    path = cache() / "roots" / flavour.replace(":", "-") / "usr" / "libexec" / name
    return path if path.exists() else None


@functools.cache
def program(wish: str) -> Path | None:
    """A server program of this machine that is what the wish says: installed, or unpacked by tests/images/build."""
    kind, _, path = wish.partition(":")
    if kind == "private" and path:
        return Path(path)
    found = _FLAVOUR.fullmatch(wish)
    if not found and wish != "private":
        return None
    own = unpacked(wish, "mysqld")
    for path_ in [*([own] if own else []), *binary.find(os.environ.get("PATH", ""))]:
        try:
            version = binary.examine(path_, server_identity()).version
        except DbauditError:
            continue
        if not found or (version.vendor == found[1] and starts(version.numbers, found[2])):
            return path_
    return None


def starts(version: tuple[int, ...], series: str | None) -> bool:
    wanted = numbers(series) if series else ()
    return version[: len(wanted)] == wanted


def image(wish: str) -> str | None:
    """The engine's image of a flavour, the newest of that series: the tests' own, or else an official one."""
    if not (found := _FLAVOUR.fullmatch(wish)) or not found[2]:
        return None
    fitting: list[tuple[bool, tuple[int, ...], str]] = []
    for name in engine_images() or ():
        repository, _, tag = name.rpartition(":")
        known = repository in (f"{REPOSITORY}/{found[1]}", found[1]) and re.fullmatch(r"\d+(\.\d+)*", tag)
        if known and starts(numbers(tag), found[2]):
            fitting.append((repository != found[1], numbers(tag), name))
    return max(fitting)[2] if fitting else None


def place(wish: str) -> tuple[str, Path | None]:
    """How a wish is met: what `start` is asked for, and the program of a private server. Raises AbsentError."""
    kind = wish.partition(":")[0]
    if "://" in wish or kind == "container":
        return wish, None
    if kind != "private" and not _FLAVOUR.fullmatch(wish):
        raise AbsentError(
            f"{wish} is no flavour; DBAUDIT_TEST_SERVERS takes mysql:8.4, private, container:IMAGE or a URL"
        )
    if name := image(wish):
        return f"container:{name}", None
    if found := program(wish):
        return "private", found
    engine = "no container engine answers" if engine_images() is None else "the engine has no image of it"
    raise AbsentError(f"{wish} is absent: {engine}, and no such program is here; tests/images/build {wish} makes one")


def serve(wish: str, places: Places) -> Server:
    """Start the server of a wish. Raises AbsentError, or DbauditError where it is here and does not start."""
    asked, path = place(wish)
    return start(asked, places=places, needs=Needs(), binary=path)


def reach(server: Server) -> list[str]:
    """The words that bring a client program to a server."""
    if server.socket:
        return [f"--socket={server.socket}"]
    assert server.address
    return ["--protocol=tcp", f"--host={server.address[0]}", f"--port={server.address[1]}"]


def account() -> list[tuple[str, str | None]]:
    """For each wish how it is met, or None where it is absent."""
    told: list[tuple[str, str | None]] = []
    for wish in WISHES:
        try:
            asked, path = place(wish)
        except AbsentError:
            told.append((wish, None))
        else:
            told.append((wish, f"{asked} ({path})" if path else asked.partition("@")[0]))
    return told
