"""How much slower or faster production is than the throwaway server: measured, with its spread, and kept in a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pymysql
from sqlalchemy import URL

from dbaudit.errors import DbauditError
from dbaudit.finding import Verdict
from dbaudit.production.conditions import Conditions, read_conditions, read_variables
from dbaudit.production.workload import PREFIX, ROW_BYTES, left_behind, time_rounds
from dbaudit.progress import Watch
from dbaudit.result import Result
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.url import read_url

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

FORMAT = 1
# How many bytes the workload writes on production for each byte of its table, by rounds: rows, a copy, an index and
# an update, each of them in the redo log too, and what a binary log takes.
WRITES = 8


@dataclass(frozen=True, slots=True)
class Ratio:
    """Seconds on production for each second on the throwaway server: least, median and most of what was measured."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured: when (UTC), on a table of how many bytes, on which two servers; the ratio by kind of work."""

    at: str
    size: int
    throwaway: Conditions
    production: Conditions
    ratios: Mapping[str, Ratio]

    @property
    def ratio(self) -> Ratio:
        """The ratio for work of any kind: the extremes of all kinds, and the median of their medians."""
        kinds = self.ratios.values()
        return Ratio(
            min(each.low for each in kinds), median(each.middle for each in kinds), max(each.high for each in kinds)
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """What to calibrate: production's URL, complete, and how it is shown; the throwaway server as for a dry-run."""

    url: URL
    shown: str
    size: int
    rounds: int
    server: str = "auto"
    server_binary: Path | None = None


def announce(wish: Wish) -> Result:
    """What a calibration would do; reads production's variables alone."""
    with _production(wish) as connect, contextlib.closing(connect()) as connection:
        conditions = read_conditions(connection)
        refusal = _refusal(read_variables(connection))
        old = left_behind(connection)
    written = wish.rounds * wish.size * WRITES
    notes = [
        f"it would write on {wish.shown}, {conditions.server.name}, in a schema of its own that is dropped afterwards: "
        f"{wish.rounds} rounds on a table of {wish.size / 1e6:.0f} MB, some {written / 1e6:.0f} MB of writes in all, "
        "which replicas repeat",
        "nothing was written: give --apply to do it",
        *([f"it would refuse: {refusal}"] if refusal else []),
        *(f"a run that was killed left a schema: DROP DATABASE {name};" for name in old),
    ]
    return Result("calibrate", Verdict.CLEAN, notes=tuple(notes))


def calibrate(wish: Wish, places: Places, watch: Watch) -> Calibration:
    """Run the workload on a throwaway server and on production. Raises DbauditError where production cannot take it."""
    with _production(wish) as connect:
        with contextlib.closing(connect()) as connection:
            conditions = read_conditions(connection)
            if refusal := _refusal(read_variables(connection)):
                raise DbauditError(f"{wish.shown} cannot be calibrated: {refusal}", "name a server like production's")
        needs = Needs(wish.size * 2, wish.size, observe=True)
        with start(
            wish.server,
            places=places,
            needs=needs,
            binary=wish.server_binary,
            dump_version=conditions.server,
            watch=watch,
        ) as server:
            with contextlib.closing(server.admin()) as connection:
                here = read_conditions(connection)
            local = time_rounds(server.admin, wish.size, wish.rounds, watch)
        remote = time_rounds(connect, wish.size, wish.rounds, watch)
    ratios = {kind: ratio_of(local[kind], remote[kind]) for kind in local}
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Calibration(at, wish.size, here, conditions, ratios)


def ratio_of(throwaway: tuple[float, ...], production: tuple[float, ...]) -> Ratio:
    """The ratio of two series of the same work, with its spread."""
    return Ratio(
        min(production) / max(throwaway), median(production) / median(throwaway), max(production) / min(throwaway)
    )


@contextlib.contextmanager
def _production(wish: Wish) -> Iterator[Callable[[], Connection]]:
    """Gives connections to production; what it says against them is a DbauditError."""
    endpoint = read_url(wish.url.render_as_string(hide_password=False))
    try:
        yield lambda: endpoint.connect(endpoint.admin)
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        said = error.args[-1] if error.args else repr(error)
        raise DbauditError(
            f"{wish.shown}: {said}", f"the account needs all rights to schemas called {PREFIX}*"
        ) from error


def _refusal(variables: Mapping[str, str]) -> str | None:
    """Why production must not be written to, None where it may."""
    if any(variables.get(name, "OFF").upper() in ("ON", "1") for name in ("read_only", "super_read_only")):
        return "it is read-only"
    if variables.get("wsrep_on", "OFF").upper() in ("ON", "1"):
        return "it is a node of a Galera cluster, and DDL would halt all its nodes"
    return None


def calibrated(found: Calibration, shown: str, file: Path) -> Result:
    """What `dbaudit calibrate` says."""
    ratio = found.ratio
    unlike = tuple(found.throwaway.unlike(found.production))
    notes = [
        f"{shown} takes {ratio.low:.2f} to {ratio.high:.2f} times as long as the throwaway server, "
        f"{ratio.middle:.2f} in the middle",
        *(
            f"{kind}: {each.low:.2f} to {each.high:.2f}, {each.middle:.2f} in the middle"
            for kind, each in found.ratios.items()
        ),
        *(f"differs: {each}" for each in unlike),
        f"measured on a table of {found.size // ROW_BYTES:,} rows, which both servers hold in memory",
        f"kept in {file}: dbaudit dry-run --calibrate {file} --production-size TABLE=ROWS",
    ]
    return Result("calibrate", Verdict.CLEAN, notes=tuple(notes), extra={"calibration": as_dict(found)})


def as_dict(found: Calibration) -> dict[str, object]:
    """The file's content."""
    return {"format": FORMAT, **asdict(found), "ratio": asdict(found.ratio)}


def save(found: Calibration, path: Path) -> None:
    """Write the file. Raises DbauditError where that cannot be."""
    try:
        path.write_text(json.dumps(as_dict(found), indent=2) + "\n", "utf-8")
    except OSError as error:
        raise DbauditError(f"cannot write {path}: {error.strerror}", "name another file with -o") from None


def load(path: Path) -> Calibration:
    """Read such a file. Raises DbauditError for another."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        ratios = {kind: Ratio(**each) for kind, each in content["ratios"].items()}
        here, there = (Conditions(**content[name]) for name in ("throwaway", "production"))
        return Calibration(content["at"], content["size"], here, there, ratios)
    except OSError as error:
        raise DbauditError(f"{path} cannot be read: {error.strerror}", "make it with dbaudit calibrate") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DbauditError(f"{path} is no calibration: {error}", "make it with dbaudit calibrate URL -o FILE") from None
