"""The mysqld and mariadbd programs on this machine: where they are, which version, where their files are."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbaudit.errors import DbauditError
from dbaudit.server.identity import Identity
from dbaudit.server.version import ServerVersion, parse_version

NAMES = ("mariadbd", "mysqld")
DIRECTORIES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/libexec", "/usr/local/mysql/bin")
HOMEBREW = ("/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew")
# All that a server gets to see of our environment: enough for a wrapper script, and nothing of the operator's.
ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# Seconds for `--version` and `--verbose --help`, which take some milliseconds on an idle machine.
_ANSWER_WITHIN = 30


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program and its version."""

    path: Path
    version: ServerVersion


def find(search_path: str) -> list[Path]:
    """Every server program in `search_path` (as in $PATH) and the usual places; each once, best known name first."""
    folders = [Path(folder) for folder in (*search_path.split(os.pathsep), *DIRECTORIES) if folder]
    for prefix in HOMEBREW:
        folders += sorted(Path(prefix).glob("opt/mariadb*/bin")) + sorted(Path(prefix).glob("opt/mysql*/bin"))
    found: dict[Path, Path] = {}
    for folder in folders:
        for name in NAMES:
            program = folder / name
            if _is_program(program):
                found.setdefault(program.resolve(), program)
    return list(found.values())


def _is_program(path: Path) -> bool:
    # Not Path.is_file, which raises where a directory of $PATH is closed to us.
    return os.path.isfile(path) and os.access(path, os.X_OK)


def examine(path: Path, identity: Identity) -> Binary:
    """Ask a program for its version. Raises DbauditError where it is missing, cannot run, or is something else."""
    if not os.path.lexists(path):
        raise DbauditError(
            f"there is no server program {path}", "give --server-binary the path of a mysqld or mariadbd"
        )
    if not _is_program(path):
        raise DbauditError(f"{path} is not an executable file", "give --server-binary the path of a mysqld or mariadbd")
    found_file = path.stat()
    stamp = (found_file.st_ino, found_file.st_size, found_file.st_mtime_ns, found_file.st_ctime_ns)
    said = _stated_version(path, identity, stamp)
    found = re.search(r"\bVer (\S+)", said)
    if found is None or "for" not in said:
        raise DbauditError(
            f"{path} is not a MySQL or MariaDB server: asked for its version it said {said.strip()[:200]!r}",
            "give --server-binary the path of a mysqld or mariadbd",
        )
    return Binary(path, parse_version(found[1]))


@functools.lru_cache
def _stated_version(path: Path, identity: Identity, _stamp: tuple[int, ...]) -> str:
    """What a program says of itself; it is asked once in a process, as long as the file is the same."""
    return ask(path, ["--no-defaults", "--version"], identity)


def ask(path: Path, arguments: Sequence[str], identity: Identity) -> str:
    """What the program prints when it is run with `arguments` as that user."""
    ids: dict[str, Any] = {"user": identity.uid, "group": identity.gid, "extra_groups": []} if identity.drop else {}
    try:
        done = subprocess.run(
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_WITHIN,
            env=dict(ENVIRONMENT),
            cwd="/",
            check=False,
            **ids,
        )
    except PermissionError as error:
        raise DbauditError(
            f"{path} cannot be run as {identity.name}, and a server is never run as root",
            "put it where every user may run it",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DbauditError(f"{path} cannot be run: {error}") from error
    output: bytes = done.stdout or done.stderr
    return output.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Share:
    """The folder with a server's messages, character sets and bootstrap SQL; `options` name it to the server."""

    path: Path
    options: tuple[str, ...]


def find_share(binary: Binary, identity: Identity) -> Share | None:
    """Where the program's own files are: beside it (a tarball, Homebrew), else where it says; None if unknown.

    A program that was unpacked elsewhere than it was built for must be told (`options`); an installed one knows.
    """
    real = binary.path.resolve()
    for prefix in (real.parent, real.parent.parent):
        for name in ("share/mysql", "share/mariadb", "share"):
            share = prefix / name
            if (share / "english" / "errmsg.sys").is_file():
                installed = prefix in (Path("/usr"), Path("/usr/local"))
                return Share(share, () if installed else _located(prefix, share))
    said = ask(binary.path, ["--no-defaults", "--verbose", "--help"], identity)
    stated = dict(re.findall(r"^(lc-messages-dir|character-sets-dir)\s+(/\S.*?)/?$", said, re.MULTILINE))
    for candidate in (stated.get("lc-messages-dir"), str(Path(stated.get("character-sets-dir", "/")).parent)):
        if candidate and Path(candidate).is_dir() and candidate != "/":
            return Share(Path(candidate), ())
    return None


def _located(prefix: Path, share: Path) -> tuple[str, ...]:
    return (f"--basedir={prefix}", f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}")
