"""Rehearse databases on a Dask cluster (the extra `dask`), each on whichever worker is free.

A worker needs dbaudit of the same version, a database server program or a container engine, the runner's tool, and the
dumps under the same paths. What is sent there and back is one job and one result for each database, no rows.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

from dbaudit import __version__
from dbaudit.errors import DbauditError, UsageError
from dbaudit.plan.job import Job, Report, rehearse

# How an address is written for dbaudit, and for Dask.
SCHEMES = {"dask": "tcp", "dask+tls": "tls"}
# Seconds to wait for the scheduler to answer.
ANSWER_WITHIN = 10


class Cluster:
    """The workers of a Dask scheduler. Leaving the block by an exception drops what has not begun."""

    def __init__(self, address: str) -> None:
        """`address` is `dask://host:port`. Raises UsageError for another, DbauditError where nobody answers."""
        scheme, found, rest = address.partition("://")
        if not found or scheme not in SCHEMES or not rest:
            raise UsageError(f"unknown executor {address!r}", "executors: dask://HOST:PORT and dask+tls://HOST:PORT")
        if find_spec("distributed") is None:
            raise UsageError("--executor needs Dask, which is not installed", "pip install 'dbaudit[dask]'")
        self._address = address
        self._client = _connect(f"{SCHEMES[scheme]}://{rest}", address)
        self._futures: list[Future[Report]] = []
        try:
            self._require_workers()
            self._executor = self._client.get_executor(pure=False)
        except BaseException:
            self._client.close()
            raise

    def _require_workers(self) -> None:
        """Every worker has this version of dbaudit: a result of another may mean something else."""
        if not self._client.scheduler_info(n_workers=-1)["workers"]:
            raise DbauditError(f"{self._address} has no worker", "start some: dask worker HOST:PORT")
        try:
            versions = self._client.run(_version)
        except Exception as error:
            raise DbauditError(
                f"a worker of {self._address} cannot load dbaudit, or is gone: {error}",
                "install dbaudit there, of this version",
            ) from error
        if other := {name: found for name, found in versions.items() if found != __version__}:
            name, found = next(iter(other.items()))
            raise DbauditError(f"worker {name} has dbaudit {found}, this is {__version__}", "install the same one")

    def submit(self, job: Job) -> Future[Report]:
        """Rehearse a database on a worker."""
        future: Future[Report] = self._executor.submit(rehearse, job)
        self._futures.append(future)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._futures:
            future.cancel()
        self._client.close()


def is_lost(error: BaseException) -> bool:
    """Whether Dask gave a job up because the workers that had it died."""
    return isinstance(error, CancelledError) or type(error).__name__ in ("KilledWorker", "FutureCancelledError")


def _connect(address: str, shown: str) -> Any:
    from distributed import Client

    connect: Any = Client
    try:
        return connect(address, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise DbauditError(f"the scheduler {shown} does not answer: {error}", "is it running?") from error


def _version() -> str:
    return __version__
