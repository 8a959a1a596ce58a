"""How the tool of a service spells one step: `checks/<service>/tool.json`, typed.

    {"format": 1, "tool": "cinder-manage", "package": "cinder", "ask": ["--config-file", "{config}", "db", "version"],
     "eras": [{"name": "alembic", "has": ["db/migrations/env.py"], "scripts": "db/migrations",
               "version": [...words with {version}...], "phases": {"sync": [...]}, "online": [...]}]}

`package` is the Python package of the tool and `ask` the words that make it say, without writing, where its database
stands. The first era counts of which every file of `has` is in the package. `version` is there where the tool can stop
at a version; the revisions are then those of the script location `scripts`, or numbers where there is none. `phases`
are run where it cannot, or where the versions are not known; `why` says it to people. `online` is what is run after
them on request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath

from dbaudit import packs
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.template import Template, parse_template

# The phase of the work that is done online, after the schema's steps.
ONLINE = "online"


@dataclass(frozen=True)
class Era:
    """The releases of a tool that spell their steps in the same way, and how; see the module."""

    name: str
    has: tuple[str, ...]
    version: Template | None
    phases: Mapping[str, Template]
    online: Template | None = None
    scripts: str | None = None
    why: str = ""

    def phase(self, name: str) -> Template:
        """The words of a phase. Raises UsageError for one that there is not."""
        known = {**self.phases, **({ONLINE: self.online} if self.online else {})}
        if name not in known:
            raise UsageError(f"the tool has no phase {name!r}", f"its phases: {', '.join(known)}")
        return known[name]


@dataclass(frozen=True)
class Preset:
    """A service's tool, by eras from the newest to the oldest."""

    service: str
    tool: str
    package: str
    ask: Template
    eras: tuple[Era, ...] = field(repr=False)


def is_preset(spec: str) -> bool:
    """Whether what stands behind `command:` is a tool that is known, alone, and not a template."""
    return len(spec.split()) == 1 and PurePath(spec).name in {each.tool for each in presets()}


def preset_for(spec: str, service: str) -> Preset:
    """The preset of a tool for a database of `service`. Raises UsageError where the tool is another service's."""
    name = PurePath(spec).name
    known = [each for each in presets() if each.tool == name]
    found = [each for each in known if each.service == service]
    if not found:
        raise UsageError(
            f"{name} migrates {' and '.join(each.service for each in known)}, and the database is of {service}",
            "name the service's own tool, or write the whole command: 'command:TOOL --config-file {config} ...'",
        )
    return found[0]


def service_of(spec: str) -> str | None:
    """The service whose tool that is; None where it is none that is known, or one of several databases."""
    found = [each.service for each in presets() if each.tool == PurePath(spec).name] if is_preset(spec) else []
    return found[0] if len(found) == 1 else None


def presets() -> tuple[Preset, ...]:
    """Every preset, in order of service."""
    paths = ((service, packs.find(service, "tool.json")) for service in packs.services())
    return tuple(_load(service, path) for service, path in paths if path is not None)


@cache
def _load(service: str, path: Path) -> Preset:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tool = content["tool"]
        eras = tuple(_era(tool, entry) for entry in content["eras"])
        return Preset(service, tool, content["package"], _template(tool, content["ask"]), eras)
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise DbauditError(f"{path}: not a tool's preset: {error!r}", "see dbaudit/migration/preset.py") from error


def _era(tool: str, entry: Mapping[str, object]) -> Era:
    version, online, phases = entry.get("version"), entry.get("online"), entry["phases"]
    has = entry["has"]
    assert isinstance(phases, dict) and isinstance(has, list)
    return Era(
        name=str(entry["name"]),
        has=tuple(has),
        version=_template(tool, version) if version else None,
        phases={name: _template(tool, words) for name, words in phases.items()},
        online=_template(tool, online) if online else None,
        scripts=str(entry["scripts"]) if "scripts" in entry else None,
        why=str(entry.get("why", "")),
    )


def _template(tool: str, words: object) -> Template:
    """The words behind the tool's name; which file it is, is known when it is run."""
    assert isinstance(words, list)
    return parse_template(" ".join([tool, *words]), f"the preset of {tool}")
