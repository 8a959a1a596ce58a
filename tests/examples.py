"""How many examples a property test tries: few in a usual run, many in `make soak`."""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("DBAUDIT_SOAK_EXAMPLES", "1"))


def examples(usual: int) -> int:
    """For `max_examples`."""
    return usual * FACTOR
