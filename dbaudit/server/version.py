"""Which server, and which version of it: a value with questions. Versions are never compared as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dbaudit.errors import DbauditError

Vendor = Literal["mysql", "mariadb"]

# MariaDB 10 to 10.x put "5.5.5-" before their version so that old replicas accept them.
_REPLICATION_PREFIX = re.compile(r"^5\.5\.5-(?=\d+\.\d+)")
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """A vendor and the numbers of its version; `text` is what the server or the dump said."""

    vendor: Vendor
    numbers: tuple[int, ...]
    text: str

    @property
    def series(self) -> tuple[int, int]:
        """The release series, (5, 6) or (10, 11)."""
        return self.numbers[0], self.numbers[1]

    @property
    def name(self) -> str:
        """Vendor and number for people: `MariaDB 10.11.19`."""
        vendor = "MariaDB" if self.vendor == "mariadb" else "MySQL"
        return f"{vendor} {'.'.join(map(str, self.numbers))}"

    @property
    def short(self) -> str:
        """What the server says without its distribution's additions: `5.6.24`, `10.11.19-MariaDB`."""
        return ".".join(map(str, self.numbers)) + ("-MariaDB" if self.vendor == "mariadb" else "")

    def at_least(self, *, mysql: tuple[int, ...] | None = None, mariadb: tuple[int, ...] | None = None) -> bool:
        """Whether it is that version of its vendor or a later one; False for a vendor that is not named."""
        wanted = mysql if self.vendor == "mysql" else mariadb
        return wanted is not None and self.numbers >= wanted


def parse_version(text: str) -> ServerVersion:
    """Read `5.6.24`, `8.0.36-0ubuntu1`, `10.11.19-MariaDB` or `5.5.5-10.11.19-MariaDB-log`.

    Percona's builds are MySQL. Raises DbauditError where there is no version number.
    """
    vendor: Vendor = "mariadb" if "mariadb" in text.lower() else "mysql"
    found = _NUMBERS.search(_REPLICATION_PREFIX.sub("", text) if vendor == "mariadb" else text)
    if found is None:
        raise DbauditError(f"cannot read a server version from {text!r}")
    return ServerVersion(vendor, tuple(int(number) for number in found[0].split(".")), text)
