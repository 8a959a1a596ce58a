"""The command line as tests of it use it."""

from __future__ import annotations

from tests.cli.conftest import dbaudit, environment, leftovers

__all__ = ["dbaudit", "environment", "leftovers"]
