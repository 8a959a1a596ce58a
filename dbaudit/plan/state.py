"""What of a plan is finished, in a directory: a plan that was stopped goes on there.

A result is kept under a fingerprint of all that it depends on: the dump's and the runner's files, the request, the
release, the version of dbaudit. Anything else is rehearsed anew. Files appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from dbaudit import __version__
from dbaudit.comparison.policy import Policy
from dbaudit.dryrun.request import Request
from dbaudit.errors import BusyError, DbauditError
from dbaudit.plan.envelope import thaw
from dbaudit.plan.job import Job
from dbaudit.result import Result

# Bytes at either end of a file that its fingerprint reads, beside size and time: a dump can be a terabyte.
_ENDS = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished database: its result, and when it was rehearsed (UTC, ISO 8601)."""

    result: Result
    at: str


@dataclass(frozen=True, slots=True)
class State:
    """The directory of one plan, held by one run."""

    directory: Path

    def find(self, job: Job) -> Kept | None:
        """What is kept of a job that is the same in everything; None where there is nothing."""
        key = fingerprint(job)
        try:
            content = json.loads((self.directory / f"{key}.json").read_text("utf-8"))
            return Kept(thaw(content["result"]), str(content["at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, job: Job, result: str) -> None:
        """Keep a frozen result. What cannot be fingerprinted from here is not kept."""
        key = fingerprint(job)
        if key is None:
            return
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        path = self.directory / f"{key}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"label": job.label, "at": at, "result": result}), "utf-8")
        os.replace(fresh, path)

    def clear(self) -> None:
        """Forget everything."""
        for path in (*self.directory.glob("*.json"), *self.directory.glob("*.new")):
            path.unlink(missing_ok=True)


def directory_of(plan: Path, cache: Path) -> Path:
    """Where the state of a plan is kept unless told otherwise: by the plan's path, in the cache."""
    return cache / "plans" / hashlib.sha256(str(plan.resolve()).encode()).hexdigest()[:16]


@contextlib.contextmanager
def held(directory: Path) -> Iterator[State]:
    """The state in a directory, for this run alone. Raises BusyError while another run has it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DbauditError(f"cannot write {directory}: {error.strerror}", "name another place with --state") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"another run of this plan holds {directory}", "wait for it, or give --state") from None
        yield State(directory)
    finally:
        os.close(lock)


def fingerprint(job: Job) -> str | None:
    """All that the result of a job depends on, as a digest; None where its files cannot be read from here."""
    request = replace(job.request, policy=Policy(job.request.policy.own), today=date.min)
    found = hashlib.sha256(f"{__version__}\n{job.label}\n{request!r}\n{job.packs!r}\n".encode())
    try:
        for path in _files(request):
            for each in sorted(path.rglob("*")) if path.is_dir() else (path,):
                if each.is_file():
                    found.update(_of_file(each))
    except OSError:
        return None
    return found.hexdigest()[:32]


def _files(request: Request) -> Iterator[Path]:
    """What a request names in the file system: dumps, SQL files, the program of a runner, the server's program."""
    yield Path(request.operand)
    yield from (Path(each) for each in request.beside)
    if request.runner is not None:
        kind, _, rest = request.runner.spec.partition(":")
        program = rest.split(maxsplit=1)[0] if kind == "command" and rest else rest
        if program and Path(program).exists():
            yield Path(program)
    if request.server_binary is not None:
        yield request.server_binary


def _of_file(path: Path) -> bytes:
    told = path.stat()
    with path.open("rb") as source:
        ends = [source.read(_ENDS)]
        source.seek(max(0, told.st_size - _ENDS))
        ends.append(source.read(_ENDS))
    digest = hashlib.sha256(b"".join(ends)).hexdigest()
    return f"{path}\n{told.st_size}\n{told.st_mtime_ns}\n{digest}\n".encode()
