"""How fast dumps are indexed, side by side with reading the file and with `gzip -dc`.

    python bench/index.py [MEGABYTES]

Writes a dump shaped like keystone's tokens and nova's instances into a temporary directory (page cache warm), and one
with each row on a line of its own, as MariaDB writes it. Prints MB/s of the decompressed dump and ratios; exits 1 where
a promise is not kept: the layout of a plain dump at 1 GB/s, its counts at 150 MB in a second of one core, and both
readings of a gz at least as fast as `gzip -dc`.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dbaudit.dump.index import DumpIndex, read_counts, read_layout
from dbaudit.dump.source import Dump, open_dump

HEAD = (
    "-- MySQL dump 10.13  Distrib 5.6.24, for Linux (x86_64)\n-- Server version\t5.6.24\n/*!40101 SET NAMES utf8 */;\n"
)
FOOT = "-- Dump completed on 2014-01-01  0:00:00\n"
# Bytes of one INSERT, mysqldump's own default.
STATEMENT = 1_000_000


def token(rnd: random.Random, text: str) -> str:
    """A row of few, long values with escaped double quotes."""
    start, length = rnd.randrange(len(text) // 2), rnd.choice((280, 400, 600, 1200, 2900))
    body = f'{{\\"token\\": {{\\"id\\": \\"{text[start : start + length]}\\"}}}}'
    return f"('{rnd.getrandbits(128):032x}','2013-01-01 00:00:00','{body}',1,'{rnd.getrandbits(128):032x}')"


def instance(rnd: random.Random, text: str) -> str:
    """A row of sixty short values, some with an escaped quote."""
    kinds = ("NULL", "'2013-01-01 00:00:00'", str(rnd.getrandbits(12)), f"'{rnd.getrandbits(128):032x}'", "'it\\'s-1'")
    return "(" + ",".join(rnd.choice(kinds) for _ in range(60)) + ")"


def write(path: Path, megabytes: int, between: str) -> None:
    """Two thirds tokens, one third instances, in INSERT statements of a megabyte."""
    rnd = random.Random(7)
    text = "".join(rnd.choices("abcdefghijklmnopqrstuvwxyz0123456789+/", k=200_000))
    with path.open("w") as file:
        file.write(HEAD)
        for name, row, share in (("token", token, 2), ("instances", instance, 1)):
            file.write(f"CREATE TABLE `{name}` (\n  `id` int\n);\nLOCK TABLES `{name}` WRITE;\n")
            statements = []
            for _ in range(12):
                rows, size = [], 0
                while size < STATEMENT:
                    rows.append(row(rnd, text))
                    size += len(rows[-1]) + 1
                statements.append(f"INSERT INTO `{name}` VALUES{between or ' '}" + f",{between}".join(rows) + ";\n")
            for number in range(megabytes * share // 3):
                file.write(statements[number % len(statements)])
            file.write("UNLOCK TABLES;\n")
        file.write(FOOT)


# MB/s of a plain dump that are promised.
PROMISED = {"layout": 1000.0, "counts": 150.0}


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds by that clock, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = clock()
        work()
        best = min(best, clock() - began)
    return best


def core_seconds() -> float:
    """Seconds of work on any core, by this process and by those that it waited for."""
    return sum(os.times()[:4])


def read_all(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(4 << 20):
            pass


def report(what: str, seconds: float, size: int, against: tuple[float, str], least: float) -> bool:
    """Print a line, and say whether the promise of `least` MB/s is kept."""
    speed = size / 1e6 / seconds
    kept = speed >= least
    told = f"promised {least:.0f} MB/s" + ("" if kept else ": NOT KEPT")
    print(f"{what:32} {speed:8.0f} MB/s   {against[0] / seconds:5.2f} x {against[1]:16}  {told}")
    return kept


def measure(folder: Path, megabytes: int, title: str, between: str) -> bool:
    """Measure one dump; whether all promises are kept."""
    path = folder / "dump.sql"
    write(path, megabytes, between)
    size = path.stat().st_size
    read_all(path)
    plain = open_dump(str(path), folder)
    raw = timed(lambda: read_all(path))
    readers: tuple[tuple[str, Callable[[Dump], DumpIndex]], ...] = (("layout", read_layout), ("counts", read_counts))
    kept = []
    for name, reader in readers:
        clock = core_seconds if name == "counts" else time.perf_counter
        seconds = timed(lambda reader=reader: reader(plain), clock)
        kept.append(report(f"{title}, plain, {name}", seconds, size, (raw, "reading the file"), PROMISED[name]))
    program = shutil.which("gzip")
    if program is None:
        print("gzip is not installed: no comparison with it")
        return all(kept)
    subprocess.run([program, "-1", "-k", "-f", str(path)], check=True)
    packed = open_dump(f"{path}.gz", folder)
    peer = timed(lambda: subprocess.run([program, "-dc", f"{path}.gz"], stdout=subprocess.DEVNULL, check=True))
    for name, reader in readers:
        seconds = timed(lambda reader=reader: reader(packed))
        kept.append(report(f"{title}, gz, {name}", seconds, size, (peer, "gzip -dc"), size / 1e6 / peer))
    return all(kept)


def main() -> int:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        forms = (("one INSERT a line", ""), ("one row a line", "\n"))
        kept = [measure(Path(folder), megabytes, *form) for form in forms]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
