"""Scale of the cells commands: a check of many cells, and the checksum compare of two tables against reladiff.

    python bench/cells.py [--cells 50] [--instances 20000] [--rows 2000000] [--reladiff PROGRAM]

The cells are dumps that are generated here: the top with every instance, and a cell database each. Two instances in a
thousand are drifted and must be found, all of them and no other. The two tables stand on one private MariaDB server,
with 100 differences; the time of the servers is the processor time of that process. reladiff comes from PyPI
(`reladiff[mysql]`), in a virtualenv of its own. Prints figures beside what is promised; exits 1 where it is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from dbaudit.cells.checksum import Side, compare_tables
from dbaudit.cells.looking import Looking
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.flavors.check import check
from dbaudit.schema.read import read_live
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server

DIFFERENCES = 100
RATE, RATIO = 1_000_000, 2.0  # rows a second and core; how many times faster than reladiff
DRIFT = 500  # every so manieth instance is drifted
FLAVORS = 40
HEAD = """-- MySQL dump 10.13  Distrib 5.6.24, for Linux (x86_64)
--
-- Host: localhost    Database: {name}
-- ------------------------------------------------------
CREATE TABLE `instance_types` (
  `created_at` datetime,\n  `updated_at` datetime,\n  `deleted_at` datetime,\n  `name` varchar(255),
  `id` int(11) NOT NULL,\n  `memory_mb` int(11),\n  `vcpus` int(11),\n  `swap` int(11),\n  `vcpu_weight` int(11),
  `flavorid` varchar(255),\n  `rxtx_factor` float,\n  `root_gb` int(11),\n  `ephemeral_gb` int(11),
  `disabled` tinyint(1),\n  `is_public` tinyint(1),\n  `deleted` int(11),\n  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
"""
INSTANCES = """CREATE TABLE `instances` (
  `created_at` datetime,\n  `updated_at` datetime,\n  `deleted_at` datetime,\n  `id` int(11) NOT NULL,
  `project_id` varchar(255),\n  `vm_state` varchar(255),\n  `memory_mb` int(11),\n  `vcpus` int(11),
  `host` varchar(255),\n  `instance_type_id` int(11),\n  `uuid` varchar(36),\n  `task_state` varchar(255),
  `root_gb` int(11),\n  `ephemeral_gb` int(11),\n  `cell_name` varchar(255),\n  `deleted` int(11),\n  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
"""
EXTRA = """CREATE TABLE `instance_extra` (
  `created_at` datetime,\n  `updated_at` datetime,\n  `deleted_at` datetime,\n  `deleted` int(11),
  `id` int(11) NOT NULL,\n  `instance_uuid` varchar(36),\n  `flavor` text,\n  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
"""


def main() -> int:
    """Run both and say what is promised beside it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=50)
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--reladiff", default="reladiff")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # a private server does not run as root
        kept = many_cells(Path(folder), wish.cells, wish.instances) if wish.cells else True
        return int(not (two_tables(Path(folder), wish.rows, wish.reladiff) and kept if wish.rows else kept))


def many_cells(folder: Path, cells: int, instances: int) -> bool:
    """Check so many cells; whether every drifted instance was found, and no other."""
    began = time.monotonic()
    drifted = generate(folder, cells, instances)
    written = time.monotonic() - began
    size = sum(path.stat().st_size for path in folder.glob("*.sql"))
    names = ["top.sql", *(f"cell{number}.sql" for number in range(cells))]
    began = time.monotonic()
    sides = [read_operand(str(folder / name), Reading(folder)) for name in names]
    jobs = len(os.sched_getaffinity(0))
    result = check(sides, Looking(folder, jobs, 0))
    seconds = time.monotonic() - began
    found = {key for each in result.findings for key in each.keys if len(key) == 36}
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"{cells} cells of {instances:,} instances, {size / 1e6:,.0f} MB of dumps (written in {written:.0f} s)")
    print(f"flavors check, {jobs} processes  {seconds:8.1f} s   {2 * cells * instances / seconds:10,.0f} instances/s")
    print(f"memory, the most at once     {own:8.0f} MB in the parent, {children:.0f} MB in a worker")
    others = len(found - drifted)
    print(f"drifted instances            {len(drifted):8,}     found {len(found & drifted):,}, others {others:,}")
    for name in names:
        (folder / name).unlink()
    return found == drifted


def generate(folder: Path, cells: int, instances: int) -> set[str]:
    """Write the dumps; gives the uuids of the drifted instances."""
    drifted: set[str] = set()
    documents = [document(number) for number in range(FLAVORS)]
    with (folder / "top.sql").open("w") as top:
        top.write(HEAD.format(name="top") + flavors() + INSTANCES)
        for number in range(cells):
            with (folder / f"cell{number}.sql").open("w") as cell:
                cell.write(HEAD.format(name=f"cell{number}") + flavors() + INSTANCES)
                uuids = [f"{number:08x}-{each:04x}-4000-8000-{each * 7919 % 999983:012x}" for each in range(instances)]
                for file, name in ((cell, None), (top, f"top!cell{number}")):
                    rows(file, "instances", (instance(number, each, uuid, name) for each, uuid in enumerate(uuids)))
                cell.write(EXTRA)
                rows(cell, "instance_extra", (extra(each, uuid, documents) for each, uuid in enumerate(uuids)))
                drifted |= {uuid for each, uuid in enumerate(uuids) if each % DRIFT == 7}
                cell.write("-- Dump completed on 2015-06-01 12:00:00\n")
        top.write(EXTRA)
        for number in range(cells):
            uuids = [f"{number:08x}-{each:04x}-4000-8000-{each * 7919 % 999983:012x}" for each in range(instances)]
            rows(top, "instance_extra", (extra(each, uuid, documents) for each, uuid in enumerate(uuids)))
        top.write("-- Dump completed on 2015-06-01 12:00:00\n")
    return drifted


def flavors() -> str:
    """Definitions, the same everywhere."""
    lines = ",".join(
        f"(NULL,NULL,NULL,'f{n}',{n + 1},{1024 + n},{n % 8 + 1},0,NULL,'fid{n}',1,{n},0,0,1,0)" for n in range(FLAVORS)
    )
    return f"INSERT INTO `instance_types` VALUES {lines};\n"


def instance(number: int, each: int, uuid: str, cell: str | None) -> str:
    """A row of instances; a drifted one has another id in the cell than it embeds."""
    n = each % FLAVORS
    type_id = (n + 1) % FLAVORS + 1 if cell is None and each % DRIFT == 7 else n + 1
    name = "NULL" if cell is None else f"'{cell}'"
    return (
        f"('2015-01-01 00:00:00',NULL,NULL,{number * 1_000_000 + each},'p{each % 97}','active',{1024 + n},{n % 8 + 1},"
        f"'h{each % 50}',{type_id},'{uuid}',NULL,{n},0,{name},0)"
    )


def extra(each: int, uuid: str, documents: list[str]) -> str:
    """A row of instance_extra."""
    return f"('2015-01-01 00:00:00',NULL,NULL,0,{each},'{uuid}','{documents[each % FLAVORS]}')"


def document(n: int) -> str:
    """The JSON of a flavor as a dump has it."""
    data = {
        "id": n + 1, "name": f"f{n}", "memory_mb": 1024 + n, "vcpus": n % 8 + 1, "root_gb": n, "ephemeral_gb": 0,
        "flavorid": f"fid{n}", "swap": 0, "rxtx_factor": 1.0, "vcpu_weight": None, "extra_specs": {},
    }  # fmt: skip
    shape = {"nova_object.name": "Flavor", "nova_object.namespace": "nova", "nova_object.version": "1.1"}
    return json.dumps({"cur": {**shape, "nova_object.data": data}, "old": None, "new": None}).replace('"', '\\"')


def rows(file: TextIO, table: str, lines: Iterable[str]) -> None:
    """INSERT statements of a thousand rows."""
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == 1000:
            file.write(f"INSERT INTO `{table}` VALUES {','.join(batch)};\n")
            batch.clear()
    if batch:
        file.write(f"INSERT INTO `{table}` VALUES {','.join(batch)};\n")


def two_tables(folder: Path, count: int, reladiff: str) -> bool:
    """Compare two tables with ours and with reladiff; whether the promises are kept."""
    places = Places(folder, folder, os.environ.get("PATH", ""))
    with start("private", places=places, needs=Needs(), binary=None, watch=lambda _: None) as server:
        server.create_database("bench", "utf8mb4")
        fill(server, count)
        process = server_process(server)
        print(f"\ntwo tables of {count:,} rows, {DIFFERENCES} differences, {server.version.name}")
        kept, first = True, 0.0
        for key, name in ((("id",), "whole numbers as key"), (("k",), "text as key")):
            before, began = cpu(process), time.monotonic()
            found = ours(server, key)
            seconds, busy = time.monotonic() - began, cpu(process) - before
            rate = 2 * count / busy
            print(f"dbaudit, {name:22} {seconds:8.2f} s   server {busy:6.2f} s of processor, {found} differences")
            print(f"{'':31} {rate:10,.0f} rows/s a core   (promised by the primary key: {RATE:,})")
            kept = kept and found == DIFFERENCES and (rate >= RATE or key != ("id",))
            first = seconds if key == ("id",) else first
        before, began = cpu(process), time.monotonic()
        lines = theirs(server, reladiff)
        seconds, busy = time.monotonic() - began, cpu(process) - before
        print(f"reladiff                        {seconds:8.2f} s   server {busy:6.2f} s of processor   {lines} lines")
        print(f"ratio                           {seconds / first:8.2f}     (promised: {RATIO:.0f} or more)")
        return kept and seconds / first >= RATIO


def fill(server: Server, count: int) -> None:
    """Two equal tables, then the differences."""
    create = (
        "CREATE TABLE {} (id INT NOT NULL PRIMARY KEY, k VARCHAR(40) NOT NULL, a INT, b DATETIME, c VARCHAR(60), "
        "d DECIMAL(10,2), UNIQUE KEY (k)) ENGINE=InnoDB"
    )
    with server.admin("bench") as connection, connection.cursor() as cursor:
        for name in ("l", "r"):
            cursor.execute(create.format(name))
            cursor.execute(
                f"INSERT INTO {name} SELECT seq, CONCAT('key|', LPAD(seq, 9, '0')), seq % 97, "
                "'2015-01-01' + INTERVAL seq SECOND, IF(seq % 7 = 0, NULL, CONCAT('v,', seq)), seq / 100 "
                f"FROM seq_1_to_{count}"
            )
        step = count // DIFFERENCES
        cursor.execute(f"UPDATE r SET c = IF(c IS NULL, '', CONCAT(c, '|')) WHERE id % {step} = 5")
        cursor.execute("ANALYZE TABLE l, r")


def ours(server: Server, key: tuple[str, ...]) -> int:
    """How many differences ours finds."""
    with server.admin("bench") as one, server.admin("bench") as other:
        tables = read_live(one, "bench").tables
        columns = ("id", "k", "a", "b", "c", "d")
        return sum(1 for _ in compare_tables(Side(one, tables["l"]), Side(other, tables["r"]), key, columns))


def theirs(server: Server, program: str) -> int:
    """How many lines reladiff prints."""
    url = (
        server.url(server.restricted(["bench"]), "bench").set(drivername="mysql").render_as_string(hide_password=False)
    )
    columns = [part for name in ("k", "a", "b", "c", "d") for part in ("-c", name)]
    done = subprocess.run(
        [program, url, "l", "r", "-k", "id", *columns], capture_output=True, text=True, check=False, timeout=1800
    )
    if done.returncode:
        print(done.stderr[-500:], file=sys.stderr)
    return len([line for line in done.stdout.splitlines() if line[:1] in "+-"])


def server_process(server: Server) -> int:
    """The process that has the server's socket among its arguments."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0") if path.parent.exists() else []
        if words[:1] and b"--socket=" + os.fsencode(str(server.socket)) in words and words[0][-1:] == b"d":
            return int(path.parent.name)
    raise SystemExit("the private server's process is not found")


def cpu(process: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
