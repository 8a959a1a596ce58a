"""An operand of the command line into a side: which kind of thing it names, and how that is read."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import URL

from dbaudit import packs
from dbaudit.comparison.dumped import open_folder, read_dump
from dbaudit.comparison.live import Credentials, complete, parse, read_live_side
from dbaudit.comparison.side import Side
from dbaudit.dump.source import Dump, open_dump
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.catalogue import load_catalogue, reference, reference_at
from dbaudit.migration.lineage import load_lineage
from dbaudit.migration.standing import Versions, release_of, service_of
from dbaudit.progress import Watch, silent
from dbaudit.release import Release, release

KINDS = (
    "a dump, a mydumper directory, a folder of .sql files, a URL (mysql+pymysql://user@host/nova), a service's "
    "configuration file, or a reference (nova@havana, nova@216)"
)
_REFERENCE = re.compile(r"(?P<service>[a-z][a-z_]*)@(?P<at>[A-Za-z0-9.]+)")
_OPTION = re.compile(r"\s*\[[^\]\n]+\]\s*$")
# Where a service's URL stands, newest first: oslo.db, before it, and keystone before Havana.
_CONNECTIONS = (("database", "connection"), ("DEFAULT", "sql_connection"), ("sql", "connection"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading an operand takes: a folder for standard input, a database's name, credentials for live ones."""

    spool: Path
    database: str | None = None
    credentials: Credentials = field(default_factory=Credentials)
    watch: Watch = silent


def read_operand(operand: str, reading: Reading) -> Side:
    """The side that an operand names. Raises UsageError or DbauditError, saying what it could be instead."""
    match = _REFERENCE.fullmatch(operand)
    if match and not Path(operand).exists():
        return _reference(match["service"], match["at"])
    if "://" in operand:
        return _placed(read_live_side(operand, "live database", reading.database, reading.credentials))
    path = Path(operand)
    if path.is_dir() and not _is_mydumper(path):
        return _placed(read_dump(open_folder(path), operand, "folder", reading.database, reading.watch))
    if path.is_file() and _is_configuration(path):
        url = _connection(path)
        return _placed(read_live_side(url, "live database", reading.database, reading.credentials, operand))
    what = "mydumper directory" if path.is_dir() else "dump"
    dump = _dump(operand, reading.spool)
    return _placed(read_dump(dump, dump.name, what, reading.database, reading.watch))


def _dump(operand: str, spool: Path) -> Dump:
    try:
        return open_dump(operand, spool)
    except DbauditError as error:
        if error.what.startswith("no such file"):
            raise DbauditError(error.what, f"name {KINDS}") from None
        raise


def _is_mydumper(path: Path) -> bool:
    names = [each.name for each in path.iterdir()]
    return any(name in ("metadata", "metadata.partial") or "-schema.sql" in name for name in names)


def _is_configuration(path: Path) -> bool:
    """Whether the first line that says something is the head of a section."""
    with path.open("rb") as file:
        head = file.read(65536)
    if b"\0" in head:
        return False
    lines = (line.strip() for line in head.decode("utf-8", "replace").splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return _OPTION.match(first) is not None


def read_configuration(path: Path) -> configparser.RawConfigParser:
    """A configuration file of oslo.config's form. Raises DbauditError where it cannot be read as one."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, default_section="", comment_prefixes=("#", ";"), delimiters=("=", ":")
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's documentation says
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise DbauditError(f"{path} cannot be read as a configuration file: {type(error).__name__}") from None
    return parser


def live_url(operand: str, database: str | None, credentials: Credentials) -> URL:
    """The complete URL, password included, of a live database named by a URL or a service's configuration file.

    Raises UsageError where the operand is neither, or names no database.
    """
    path = Path(operand)
    if "://" not in operand and not (path.is_file() and _is_configuration(path)):
        raise UsageError(f"{operand} is no live database", "give a URL or a service's configuration file")
    url = complete(parse(operand if "://" in operand else _connection(path)), credentials)
    if database or url.database:
        return url.set(database=database or url.database)
    raise UsageError(
        f"{url.render_as_string(hide_password=True)} names no database",
        "write it behind the host: mysql+pymysql://user@host/nova",
    )


def _connection(path: Path) -> str:
    """The URL in a configuration file of oslo.config's form."""
    parser = read_configuration(path)
    for section, option in _CONNECTIONS:
        if parser.has_option(section, option) and (value := parser.get(section, option)):
            return _substituted(value.strip().strip("'\""), parser)
    known = ", ".join(f"[{section}] {option}" for section, option in _CONNECTIONS)
    raise DbauditError(f"{path} says no database: it has none of {known}", "give the URL itself")


def _substituted(value: str, parser: configparser.RawConfigParser) -> str:
    """`$name` and `${name}` are other options of [DEFAULT], `$$` is a dollar sign."""

    def option(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return parser.get("DEFAULT", match["name"], fallback=match[0])

    return re.sub(r"\$\$|\$\{?(?P<name>\w+)\}?", option, value)


def _reference(service: str, at: str) -> Side:
    catalogue = load_catalogue(service)
    if at.isdigit():
        if catalogue is None:
            raise UsageError(f"{service}@{at}: no step catalogue of {service} is shipped", _known())
        versions = _numbers(service, int(at))
        schema = reference_at(service, versions)
        if schema is None:
            first, last = (catalogue.releases[each][service] for each in (catalogue.first, catalogue.last))
            raise UsageError(f"{service}@{at}: no such step is known", f"{service} has the numbers {first} to {last}")
        reached, _ = release_of(service, Versions(versions))
    else:
        reached = release(at)
        schema = reference(service, reached)
        versions = dict(catalogue.releases.get(reached, {})) if catalogue else {}
        if schema is None:
            raise UsageError(f"{service}@{at}: no such reference is shipped", _known())
    return Side(f"{service}@{at}", "reference", schema, service, reached, reached, Versions(versions))


def _numbers(service: str, number: int) -> Mapping[str, int]:
    """The numbers of all repositories when the main one stands at `number`: extensions as at the release before."""
    catalogue = load_catalogue(service)
    assert catalogue is not None
    reached = [at for at, numbers in catalogue.releases.items() if numbers[service] <= number]
    others = catalogue.releases[max(reached)] if reached else {}
    return {**others, service: number}


def _known() -> str:
    found = [
        f"{service} ({', '.join(sorted(path.stem for path in folder.glob('*.sql')))})"
        for service in packs.services()
        for root in packs.__path__
        if (folder := Path(root) / service / "schema").is_dir()
    ]
    return f"there are references of {', '.join(found)}"


def _placed(side: Side) -> Side:
    """The side with its service and release, as far as its numbers and tables say."""
    service = service_of(side.schema, side.versions)
    if service is None or load_lineage(service) is None:
        return side
    at: Release | None = None
    exact = False
    if side.versions.numbers or side.versions.revisions:
        at, exact = release_of(service, side.versions)
    return replace(side, service=service, release=at if exact else None)
