"""The report for machines: the envelope as indented JSON, stable from format 1 on."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from dbaudit.result import Result


def render(result: Result) -> str:
    """The envelope as JSON text that ends in a newline; bytes are shown as hex, times in ISO 8601."""
    return json.dumps(result.as_dict(), indent=2, ensure_ascii=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value, key=str)
    return str(value)
