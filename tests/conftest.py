"""What every test may ask for: the corpus of real databases, where it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real OpenStack databases; tests that need it are skipped, and say so, where it is absent."""
    if not (CORPUS / "README.md").is_file():
        pytest.skip("the corpus of real databases is not beside the checkout")
    return CORPUS
