"""A view names its tables with and without the database.

`` select `nova`.`instances`.`id` ``: SHOW CREATE VIEW without a default database, and after a restore under
another name. `` select `instances`.`id` ``: the same with the database as the default, and in dumps.
ALGORITHM=UNDEFINED and SQL SECURITY DEFINER are the defaults.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.model import Schema, View
from dbaudit.schema.text import name


def schema(schema: Schema) -> Schema:
    """Drops the database's own name and the defaults."""
    views = {key: _view(view, schema.name) for key, view in schema.views.items()}
    return replace(schema, views=views) if views else schema


def _view(view: View, database: str | None) -> View:
    return replace(
        view,
        select=view.select.replace(f"{name(database)}.", "") if database else view.select,
        algorithm=None if view.algorithm == "UNDEFINED" else view.algorithm,
        security=None if view.security == "DEFINER" else view.security,
    )
