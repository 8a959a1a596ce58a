"""Which throwaway server it shall be: the one asked for, or the first that works."""

from __future__ import annotations

from pathlib import Path

from dbaudit.errors import DbauditError, UsageError
from dbaudit.progress import Watch, silent
from dbaudit.server import binary
from dbaudit.server.binary import Binary
from dbaudit.server.disk import Needs
from dbaudit.server.identity import server_identity
from dbaudit.server.place import Places
from dbaudit.server.private import start_private
from dbaudit.server.server import Server
from dbaudit.server.version import ServerVersion

WISHES = "auto, private, container, container:IMAGE, or the URL of a server that is marked as throwaway"
HOW_TO_INSTALL = (
    "install one: `apt-get install mariadb-server-core` on Debian and Ubuntu, `dnf install mariadb-server` on Fedora, "
    "`brew install mariadb` on macOS; or give --server-binary, or --server with a container image or a URL"
)


def start(
    wish: str,
    *,
    places: Places,
    needs: Needs,
    binary: Path | None = None,
    dump_version: ServerVersion | None = None,
    watch: Watch = silent,
) -> Server:
    """Start the server that `wish` asks for: one of `WISHES`.

    `binary` is the program of a private server. `dump_version` is where the dump comes from: a server of that vendor
    and series is preferred, and takes over its defaults. Raises DbauditError where there is none or it does not
    start, UsageError for another wish.
    """
    if "://" in wish:
        from dbaudit.server.url import start_url

        return start_url(wish)
    kind, _, image = wish.partition(":")
    if kind not in ("auto", "private", "container") or (image and kind != "container"):
        raise UsageError(f"unknown server {wish}", f"give one of: {WISHES}")
    if binary is not None and kind == "container":
        raise UsageError("a container has no use for --server-binary", "leave out one of the two")
    if kind == "container":
        from dbaudit.server.container import start_container

        return start_container(image or None, places, needs, origin=dump_version, watch=watch)
    if binary is not None or kind == "private":
        return _private(binary, places, needs, dump_version, watch)
    return _first_that_works(places, needs, dump_version, watch)


def _private(program: Path | None, places: Places, needs: Needs, origin: ServerVersion | None, watch: Watch) -> Server:
    found = [program] if program else [each.path for each in _programs(places, origin)]
    if not found:
        raise DbauditError("there is no MySQL or MariaDB server program on this machine", HOW_TO_INSTALL)
    return start_private(found[0], places, needs, origin=origin, watch=watch)


def _first_that_works(places: Places, needs: Needs, origin: ServerVersion | None, watch: Watch) -> Server:
    failures = []
    for each in _programs(places, origin):
        try:
            return start_private(each.path, places, needs, origin=origin, watch=watch)
        except DbauditError as error:
            failures.append(error)
    try:
        from dbaudit.server.container import start_container

        return start_container(None, places, needs, origin=origin, watch=watch)
    except DbauditError as error:
        if failures:  # a server that is there and does not start says more than that there is no engine
            raise failures[0] from error
        raise DbauditError(
            f"there is no MySQL or MariaDB server program on this machine, and no container either: {error.what}",
            HOW_TO_INSTALL,
        ) from error


def _programs(places: Places, origin: ServerVersion | None) -> list[Binary]:
    """The server programs of this machine, the likest to the dump's server first."""
    identity, found = server_identity(), []
    for path in binary.find(places.search_path):
        try:
            found.append(binary.examine(path, identity))
        except DbauditError:
            continue  # a program of that name that is none
    return sorted(found, key=lambda each: distance(each.version, origin))


def distance(version: ServerVersion, origin: ServerVersion | None) -> tuple[int, int]:
    """How unlike a server is to the dump's: another vendor is further than another series."""
    if origin is None:
        return (0, 0)
    ours, theirs = version.series, origin.series
    return (int(version.vendor != origin.vendor), abs(ours[0] - theirs[0]) * 100 + abs(ours[1] - theirs[1]))
