"""How fast dumps are indexed, side by side with reading the file and with `gzip -dc`.

    python bench/index.py [MEGABYTES]

Writes a dump shaped like keystone's tokens and nova's instances into a temporary directory (page cache warm), and one
with each row on a line of its own, as MariaDB writes it. Prints MB/s of the decompressed dump and ratios.
"""

from __future__ import annotations

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


def timed(work: Callable[[], object]) -> float:
    """Seconds, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def read_all(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(4 << 20):
            pass


def report(what: str, seconds: float, size: int, against: float, name: str) -> None:
    print(f"{what:44} {size / 1e6 / seconds:8.0f} MB/s   {against / seconds:5.2f} x {name}")


def measure(folder: Path, megabytes: int, title: str, between: str) -> None:
    path = folder / "dump.sql"
    write(path, megabytes, between)
    size = path.stat().st_size
    read_all(path)
    plain = open_dump(str(path), folder)
    raw = timed(lambda: read_all(path))
    readers: tuple[tuple[str, Callable[[Dump], DumpIndex]], ...] = (("layout", read_layout), ("counts", read_counts))
    for name, reader in readers:
        report(f"{title}, plain, {name}", timed(lambda reader=reader: reader(plain)), size, raw, "reading the file")
    program = shutil.which("gzip")
    if program is None:
        print("gzip is not installed: no comparison with it")
        return
    subprocess.run([program, "-1", "-k", "-f", str(path)], check=True)
    packed = open_dump(f"{path}.gz", folder)
    peer = timed(lambda: subprocess.run([program, "-dc", f"{path}.gz"], stdout=subprocess.DEVNULL, check=True))
    for name, reader in readers:
        report(f"{title}, gz, {name}", timed(lambda reader=reader: reader(packed)), size, peer, "gzip -dc")


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), megabytes, "one INSERT a line", "")
        measure(Path(folder), megabytes, "one row a line", "\n")


if __name__ == "__main__":
    main()
