"""Imports point downwards, and each third party has its one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    ("cli", "__main__", "testing"),
    ("report",),
    ("plan",),
    ("dryrun", "production", "comparison", "tokens", "volumes", "ec2", "flavors", "cells"),
    ("reconcile",),
    ("repair",),
    ("proof",),
    ("audit",),
    ("packs", "migration"),
    ("check", "change", "result", "window", "budget", "waiver"),
    ("finding", "record"),
    ("schema", "dump", "processes"),
    ("server",),
    ("settings",),
    ("release", "errors", "progress"),
    ("__init__",),
)
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}
DOORS = {
    "typer": {"cli"},
    "rich": {"report"},
    "deepdiff": {"schema", "reconcile"},
    "alembic": {"migration", "schema"},
    "testcontainers": {"server"},
    "docker": {"server"},
    "cryptography": {"ec2"},
    "distributed": {"plan"},
}
MODULES = sorted((ROOT / "dbaudit").rglob("*.py"))
CHECKS = sorted((ROOT / "checks").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, but not those for the type checker alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module if node.module != "dbaudit" else f"dbaudit.{node.names[0].name}"


def part(path: Path) -> str:
    """The top-level part of dbaudit that a file belongs to."""
    return path.relative_to(ROOT / "dbaudit").parts[0].removesuffix(".py")


def test_every_part_has_a_layer() -> None:
    assert {part(path) for path in MODULES} - {"_checks"} <= set(DEPTH)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    own = part(path)
    for name in imports(path):
        if name.startswith("dbaudit."):
            other = name.split(".")[1]
            if other in DEPTH:
                assert other == own or DEPTH[other] >= DEPTH[own], f"{own} imports {name}, which is above it"
        door = DOORS.get(name.split(".")[0])
        assert door is None or own in door, f"{name} is imported in {own}; its door is {door}"


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_checks_import_little(path: Path) -> None:
    pack = f"dbaudit.packs.{path.parent.name}"
    allowed = {"dbaudit.check", "dbaudit.schema.model", "dbaudit.schema.step", "dbaudit.release", pack}
    for name in imports(path):
        if name.startswith("dbaudit"):
            assert name in allowed or name.startswith(f"{pack}."), f"{path.name} imports {name}"


def test_no_init_under_checks() -> None:
    assert not list((ROOT / "checks").rglob("__init__.py"))


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_checks_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 90


def test_nothing_below_cli_prints() -> None:
    for path in MODULES:
        if part(path) in ("cli", "__main__", "report"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"), path
