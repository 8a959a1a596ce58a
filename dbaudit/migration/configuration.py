"""The configuration file that a tool is given for `{config}`: where its database is, and nothing of production.

It is an oslo.config file. One file serves all tools and releases, since an option that a tool does not know is
ignored: Grizzly still read `sql_connection` and keystone's `[sql]`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Where a tool looks for the URL of its own database, over all releases.
_OWN = (("database", "connection"), ("DEFAULT", "sql_connection"), ("sql", "connection"))
# Where it looks for the database of another service: `nova-manage db sync` finds the cells in nova_api's.
_OTHERS: Mapping[str, tuple[str, str]] = {
    "nova_api": ("api_database", "connection"),
    "placement": ("placement_database", "connection"),
}
# The service whose configuration the others' databases stand in.
_MAIN = "nova"
# Without these a tool retries a connection that fails for minutes (10 times 10 seconds is oslo.db's default).
_FIXED = (("database", "max_retries", "1"), ("database", "db_max_retries", "1"), ("DEFAULT", "sql_max_retries", "1"))


def write_configuration(path: Path, service: str, own: str, others: Mapping[str, str]) -> None:
    """Write the file (0600, it holds the throwaway account's password). `others` are URLs by service name."""
    sections: dict[str, dict[str, str]] = {}
    for section, option in _OWN + ((_OTHERS[service],) if service in _OTHERS else ()):
        sections.setdefault(section, {})[option] = _value(own)
    if service in _OTHERS and _MAIN in others:  # nova_api's own tool finds nova's database where nova does
        sections[_OWN[0][0]][_OWN[0][1]] = _value(others[_MAIN])
    for name, url in others.items():
        if name in _OTHERS and name != service:
            section, option = _OTHERS[name]
            sections.setdefault(section, {})[option] = _value(url)
    for section, option, value in _FIXED:
        sections[section][option] = value
    lines = [
        line
        for section, options in sections.items()
        for line in (f"[{section}]", *(f"{option} = {value}" for option, value in options.items()), "")
    ]
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write("\n".join(lines))


def _value(url: str) -> str:
    # A dollar sign begins a reference to another option.
    return url.replace("$", "$$")
