"""`dbaudit tokens flush --fast` against pt-archiver, one single DELETE, and a DELETE ... LIMIT loop.

    python bench/tokens.py [--rows 2000000] [--runs 5] [--servers mariadb:10.11,mysql:9] [--only PEER,...]

Tokens of which 90 % are expired, durable servers with row-based binary log, a buffer pool smaller than the table. The
runs of the peers are interleaved; each begins on a fresh copy of the data. Needs pt-archiver (percona-toolkit). Prints
every run, the medians, and what is promised; exits 1 where a promise is not kept. --rebuild, which leaves the old table
beside the new one, is one of the peers: its rows a second are the dead rows that it got rid of. With --gentle: what a
service that uses the table meanwhile feels of the default profile, and of pt-archiver --bulk-delete at the same rows a
second, as far as one gentle connection reaches that.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from token_flush.bystander import Bystander
from token_flush.peers import PEERS, SLOWED, WATCH, Measured, dbaudit, measure
from token_flush.servers import fresh, gold

from tests import matrix

OURS, ARCHIVER, SINGLE = "dbaudit --fast", "pt-archiver", "single DELETE"
BULK, GENTLE = "pt-archiver --bulk-delete", "dbaudit --gentle"
RATIO, LONGEST, P99, AIM = 1.25, 0.5, 0.3, 0.9  # promised; the last is an aim


def main() -> int:
    """Measure, print, judge."""
    wanted = arguments()
    folder = Path(wanted.folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = True
    for wish in wanted.servers.split(","):
        program = matrix.program(wish)
        if program is None:
            print(f"{wish} is absent: tests/images/build --roots {wish}")
            return 1
        kept &= (gentle if wanted.gentle else compare)(wish, program, folder, wanted)
    return 0 if kept else 1


def compare(wish: str, program: Path, folder: Path, wanted: argparse.Namespace) -> bool:
    """All peers on one server; whether the promises hold."""
    data = gold(program, folder, wanted.rows, indexed=not wanted.grizzly)
    peers = {name: work for name, work in PEERS.items() if not wanted.only or name in wanted.only.split(",")}
    runs: dict[str, list[Measured]] = {name: [] for name in peers}
    for _ in range(wanted.runs):
        for name, work in peers.items():
            with fresh(program, data, pool=wanted.pool) as server:
                runs[name].append(measure(name, server, work))
            print(f"{wish:14} {runs[name][-1]}", flush=True)
    return judge(wish, runs) if OURS in runs else True


def gentle(wish: str, program: Path, folder: Path, wanted: argparse.Namespace) -> bool:
    """A bystander's p99 alone, beside pt-archiver --bulk-delete that rests, and beside --gentle at the same rate."""
    data = gold(program, folder, wanted.rows)
    seen: dict[str, list[float]] = {"alone": [], BULK: [], GENTLE: []}
    for _ in range(wanted.runs):
        rate = 0.0
        for name in seen:
            with fresh(program, data, pool=wanted.pool) as server:
                bystander = Bystander(server)
                bystander.start()
                if name == "alone":
                    time.sleep(10)
                else:
                    work = SLOWED if name == BULK else dbaudit("--gentle", "--rate", f"{rate:.0f}", *WATCH)
                    found = measure(name, server, work, living=False)
                    rate = found.rate
                    print(f"{wish:14} {found}")
                median, p99 = bystander.finish()
            seen[name].append(p99)
            print(f"{wish:14} beside {name:30} median {median * 1e3:6.2f} ms, p99 {p99 * 1e3:7.2f} ms", flush=True)
    rise = {name: statistics.median(times) - statistics.median(seen["alone"]) for name, times in seen.items()}
    print(
        f"{wish:14} p99 rises by {rise[GENTLE] * 1e3:.2f} ms beside --gentle, {rise[BULK] * 1e3:.2f} ms beside {BULK}"
    )
    return rise[GENTLE] <= rise[BULK]


def judge(wish: str, runs: dict[str, list[Measured]]) -> bool:
    """Medians and ratios."""
    rates = {name: statistics.median(each.rate for each in found) for name, found in runs.items()}
    for name, rate in rates.items():
        print(f"{wish:14} median {name:34} {rate:8,.0f} rows/s  {rates[OURS] / rate:5.2f} x")
    ours = runs[OURS]
    longest, p99 = max(each.longest for each in ours), statistics.median(each.p99 for each in ours)
    best = max((rate for name, rate in rates.items() if name.startswith(ARCHIVER)), default=0.0)
    print(f"{wish:14} longest DELETE {longest:.3f} s (promised {LONGEST}), p99 {p99:.3f} s (promised {P99})")
    if best:
        print(f"{wish:14} {rates[OURS] / best:.2f} x pt-archiver's best mode (promised {RATIO})")
    if SINGLE in rates:
        print(f"{wish:14} {rates[OURS] / rates[SINGLE]:.2f} x the single DELETE (aim {AIM})")
    return longest <= LONGEST and p99 <= P99 and (not best or rates[OURS] / best >= RATIO)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--servers", default="mariadb:10.11,mysql:9")
    parser.add_argument("--only", default="", help="peers by name, separated by commas")
    parser.add_argument("--pool", default="1G", help="buffer pool")
    parser.add_argument("--gentle", action="store_true", help="measure what a bystander feels instead")
    parser.add_argument("--grizzly", action="store_true", help="without an index on expires")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--folder", default=str(cache / "dbaudit-bench"), help="where data directories are kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
