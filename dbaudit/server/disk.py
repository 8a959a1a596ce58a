"""Whether a disk is large enough for a rehearsal, and how to say that it is not.

It counts bytes; it does not reserve them. What else is written meanwhile is not known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError

MIB = 1 << 20

# Bytes of InnoDB files for each byte of dump text. Measured by loading dumps into MariaDB 10.11, MySQL 5.6 and 9.7: 1.8
# to 2.0 for 100 MB of generated tokens and instances; 3.0 leaves room for tables with more indexes. Too low, and a
# rehearsal dies of a full disk; too high, and it is refused where it would have fitted.
EXPANSION = 3.0
# What many small tables take beside that, since files grow by steps: a Grizzly nova of 111 tables is 5.3 MB of dump and
# 28 (MariaDB) to 46 MiB (MySQL) of files, a Grizzly keystone 4.0 MB and 14 MiB.
SMALL_TABLES = 64 * MIB
# The server without a dump, with its logs and temporary files: 29 (MySQL 5.6), 42 (MariaDB 10.11), 101 MiB (MySQL 9.7).
EMPTY_SERVER = 128 * MIB


@dataclass(frozen=True, slots=True)
class Needs:
    """What a server is wanted for; sizes in bytes of the decompressed dump, and how many tables it has.

    `observe` has it keep statement histories and per-table counters, which cost some of its speed.
    """

    bytes_of_dump: int = 0
    largest_table: int = 0
    observe: bool = False
    tables: int = 0

    @property
    def redo(self) -> int:
        """Bytes of redo log to give it: as much as the dump, within reason.

        A load then needs no checkpoint; and MySQL 5.6 takes no value that is larger than a tenth of it.
        """
        return min(1024 * MIB, max(16 * MIB, self.bytes_of_dump // MIB * MIB))

    @property
    def disk(self) -> int:
        """Bytes that it may take: the data, one table more for a copying ALTER, redo, and the empty server."""
        return int((self.bytes_of_dump + self.largest_table) * EXPANSION) + self.redo + SMALL_TABLES + EMPTY_SERVER


def available(directory: Path) -> int:
    """Bytes that an ordinary user may still write there."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def require(directory: Path, needs: Needs, free: Callable[[Path], int] = available) -> None:
    """Raise DbauditError, with both numbers, where `directory` has too little room for `needs`."""
    there = free(directory)
    if there < needs.disk:
        raise DbauditError(
            f"{directory} has {size(there)} free; this rehearsal needs about {size(needs.disk)} "
            f"({size(needs.bytes_of_dump)} of dump take {size(int(needs.bytes_of_dump * EXPANSION))} as tables, "
            f"the rest is for the copy of the largest table, the redo log and the server itself)",
            "free some space, or set TMPDIR to a directory on a larger disk",
        )


def size(count: int) -> str:
    """Bytes for people: `4.0 KiB`, `1.5 GiB`."""
    value, unit = float(count), "bytes"
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


# ENOSPC (28) in the words of the servers, of InnoDB and of Python.
_FULL = re.compile(r"No space left on device|\b(?:Errcode|errno|error|error number|OS errno):? 28\b|is full\b")


def tells_full(text: str) -> bool:
    """Whether a server's message or log says that its disk is full."""
    return _FULL.search(text) is not None


def full_error(directory: Path | None) -> DbauditError:
    """The error for a disk that turned out to be full."""
    where = f" that holds {directory}" if directory else ""
    return DbauditError(f"the disk{where} is full", "free some space, or set TMPDIR to a directory on a larger disk")
