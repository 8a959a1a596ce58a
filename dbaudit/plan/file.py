"""A plan as a site writes it: `[plan]` in `dbaudit.toml`, or a file of its own.

    [plan]
    to = "havana"
    server = "private"                 # what stands here holds for every database that does not say otherwise
    order = ["keystone", "nova", "nova:cell"]    # instead of the order that dbaudit knows for the release

    [[plan.database]]
    operand = "dumps/nova-cell1.sql.gz"          # beside the plan's file
    name = "cell1"                     # what reports call it; else the name of the file
    service = "nova"                   # else the dump is looked into
    role = "cell"                      # of a service with several databases: top or cell
    runner = "command:/opt/nova/bin/nova-manage --config-file {config} db sync {version}"
    step_timeout = 7200

Every option of `dbaudit dry-run` about one database can stand there, with underscores; `--with` is `beside`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from dbaudit.dryrun.course import Course
from dbaudit.dryrun.request import Request, RunnerRequest
from dbaudit.errors import DbauditError, UsageError
from dbaudit.plan.envelope import value_of
from dbaudit.production.estimate import Production, read_production
from dbaudit.release import Release, release
from dbaudit.settings import Entry, entries, read_settings

_OWN = ("name", "operand", "service", "role")
_PRODUCTION = ("production_size", "calibrate")
_OF_PLAN = ("to", "order", "database")
# Fields of a request that a plan's database does not set: they are the plan's, or the run's.
_NOT_SET = {"operand", "target", "runner", "policy", "today", "course", "production", "observe"}
# Options that are not called as their field is, for runners with `runner_` before it.
_NAMES = {
    "spec": "runner", "limit": "step_timeout", "stall": "stall_timeout", "allow_network": "allow_network",
    "variables": "runner_env", "manifests": "manifest", "rollback": "rollback_time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One database of a plan; `service` None where the dump is to tell."""

    label: str
    request: Request
    service: str | None
    role: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The databases of a plan as it lists them; `order` is empty where dbaudit's own shall hold."""

    path: Path
    target: Release
    members: tuple[Member, ...]
    order: tuple[str, ...] = ()


def read_plan(path: Path, to: str | None = None, course: Mapping[str, Any] | None = None) -> Plan:
    """The plan in a file; `to` overrules its release, `course` fields of each database's course.

    Raises DbauditError that names the entry that is wrong.
    """
    content = read_settings(path).get("plan")
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no [plan]", "name a dump, or see docs/plans.md for how a plan is written")
    plan = Entry(f"{path}: [plan]", content)
    listed = entries(path, content, "plan.database")
    common = {key: value for key, value in content.items() if key not in _OF_PLAN}
    if wrong := set(common) & set(_OWN):
        raise DbauditError(f"{plan.where} has the key {min(wrong)}", "it belongs to one [[plan.database]]")
    wanted = to or plan.needed("to", "name the release there, or with --to")
    target = release(wanted)
    members = tuple(
        _member(path.parent, Entry(each.where, {**common, **each.values}), target, course or {}) for each in listed
    )
    labels = [member.label for member in members]
    if not members:
        raise UsageError(f"{plan.where} names no database", "write a [[plan.database]] for each")
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise DbauditError(f"{path}: two databases of the plan are called {twice}", "give each a name of its own")
    return Plan(path, target, members, _order(plan))


def _order(plan: Entry) -> tuple[str, ...]:
    found = plan.values.get("order", [])
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise DbauditError(f"{plan.where}: order must be a list", 'of services: ["keystone", "nova", "nova:cell"]')
    return tuple(found)


def _member(folder: Path, entry: Entry, target: Release, overruled: Mapping[str, Any]) -> Member:
    operand = entry.needed("operand", "name a dump")
    if operand == "-":
        raise UsageError(f"{entry.where}: standard input can be no database of a plan", "name a file")
    own, runner, course = _keys(Request), _keys(RunnerRequest, "runner_"), _keys(Course)
    entry.only(*_OWN, *_PRODUCTION, *own, *runner, *course)
    running = _values(entry, folder, RunnerRequest, runner)
    if running and "spec" not in running:
        key = next(key for key in entry.values if key in runner)
        raise UsageError(f"{entry.where}: {key} needs a runner", 'add runner = "command:..."')
    request = Request(
        str(folder / operand),
        target,
        **_values(entry, folder, Request, own),
        runner=RunnerRequest(**running) if running else None,
        course=Course(**{**_values(entry, folder, Course, course), **overruled}),
        production=_production(entry, folder),
    )
    label = entry.text("name") or entry.text("database") or Path(operand).name.partition(".")[0]
    return Member(label, request, entry.text("service") or None, entry.text("role") or None)


def _production(entry: Entry, folder: Path) -> Production | None:
    """What the plan says of production: `production_size`, a list of TABLE=ROWS or files, and `calibrate`, a file."""
    sizes = entry.values.get("production_size", [])
    if not isinstance(sizes, list) or not all(isinstance(each, str) for each in sizes):
        raise DbauditError(
            f"{entry.where}: production_size must be a list", 'such as ["volumes=2_000_000"], or of files'
        )
    calibration = entry.text("calibrate")
    beside = [each if "=" in each else str(folder / each) for each in sizes]
    return read_production(beside, folder / calibration if calibration else None)


Kind = type[Request] | type[RunnerRequest] | type[Course]


def _keys(kind: Kind, prefix: str = "") -> dict[str, str]:
    """The keys of a plan, each with the field of the request that it sets."""
    return {_NAMES.get(each.name, prefix + each.name): each.name for each in fields(kind) if each.name not in _NOT_SET}


def _values(entry: Entry, folder: Path, kind: Kind, keys: Mapping[str, str]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    found = {}
    for key, name in keys.items():
        if key in entry.values:
            try:
                value = value_of(hints[name], entry.values[key])
            except (TypeError, ValueError) as error:
                raise DbauditError(f"{entry.where}: {key}: {error}") from None
            found[name] = _beside(folder, name, value)
    return found


def _beside(folder: Path, name: str, value: Any) -> Any:
    """Paths are relative to the plan's file."""
    if isinstance(value, Path):
        return folder / value
    if name == "beside":  # dumps
        return tuple(str(folder / each) for each in value)
    if name == "spec":
        runner, _, rest = value.partition(":")
        return f"{runner}:{folder / rest}" if runner in ("sql", "alembic") else value
    return value
