"""Sides of dumps, and how to look at them, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.cells.looking import Looking
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side


@pytest.fixture
def side(tmp_path: Path) -> Callable[[Path | str], Side]:
    return lambda operand: read_operand(str(operand), Reading(tmp_path))


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(tmp_path, 1, 0)
