"""Puts the samples and the slow reader beside these tests within their reach."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
