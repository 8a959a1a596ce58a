"""The report for machines: the envelope as indented JSON, stable from format 1 on."""

from __future__ import annotations

import json

from dbaudit.result import Result, plain


def render(result: Result) -> str:
    """The envelope as JSON text that ends in a newline; bytes are shown as hex, times in ISO 8601."""
    return json.dumps(result.as_dict(), indent=2, ensure_ascii=False, default=plain) + "\n"
