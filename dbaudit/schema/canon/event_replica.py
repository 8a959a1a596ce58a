"""An event that replicas do not run is `DISABLE ON SLAVE` or `DISABLE ON REPLICA`.

The first: MySQL up to 8.0 and MariaDB; the second: MySQL from 8.4 on.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.model import Schema
from dbaudit.schema.text import STRING

_WORDS = re.compile(rf"(?P<keep>{STRING}|\bDO\b.*)|\bDISABLE ON REPLICA\b", re.IGNORECASE | re.DOTALL)


def schema(schema: Schema) -> Schema:
    """Uses the older word."""
    events = {
        key: replace(event, body=_WORDS.sub(lambda match: match["keep"] or "DISABLE ON SLAVE", event.body))
        for key, event in schema.events.items()
    }
    return replace(schema, events=events) if events else schema
