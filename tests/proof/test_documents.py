"""docs/manifest.md against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dbaudit.proof.loss import CLASSES
from dbaudit.proof.source import _NORMS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "manifest.md").read_text()


def test_classes() -> None:
    listed = {int(number): slug for number, slug in re.findall(r"^\| (\d+) \| `proof\.([a-z-]+)`", TEXT, re.MULTILINE)}
    assert listed == {number: each.slug for number, each in CLASSES.items()}


def test_keys_and_norms_of_declarations() -> None:
    told = set(re.findall(r"`([a-z]+)`", TEXT))
    for path in ROOT.glob("checks/*/survivors.json"):
        data = json.loads(path.read_text())
        keys = {*data, *(key for kind in data["kinds"] for key in (*kind, *(k for e in kind["encodings"] for k in e)))}
        assert keys - {"format", "service", "about"} <= told, path
    assert {f"`|{norm}`" for norm in _NORMS if norm} <= set(re.findall(r"`\|[a-z]+`", TEXT))
