"""Names of container images: which one is likest to a dump's server, and what a name says about the server in it."""

from __future__ import annotations

import re

from dbaudit.server.version import ServerVersion, parse_version

DEFAULT_IMAGE = "mariadb:10.11"


def image_for(origin: ServerVersion | None) -> str:
    """The official image of the dump's vendor and series."""
    return f"{origin.vendor}:{origin.series[0]}.{origin.series[1]}" if origin else DEFAULT_IMAGE


def version_of_image(image: str) -> ServerVersion:
    """What the name of an image says about the server in it; a recent one where it says nothing."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    vendor = "mariadb" if "maria" in name else "mysql"
    numbers = re.match(r"\d+(\.\d+)+", tag)
    given = numbers[0] if numbers else "11.8" if vendor == "mariadb" else "9.0"
    return parse_version(f"{given}-MariaDB" if vendor == "mariadb" else given)
