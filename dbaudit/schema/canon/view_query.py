"""The query of a view comes back with other brackets, functions, introducers and names.

``(`t` join `u` on((`t`.`id` = `u`.`t_id`))) where (0 <> `t`.`a`)``: MySQL 8; ``where `t`.`a` <> 0``: MariaDB;
``where `t`.`a` ``: MySQL 5. `isnull(x)`, `now()`, `lcase(x)` or `x is null`, `current_timestamp()`, `lower(x)`;
``order by `n` `` (an alias) or its expression; ``VIEW v (`c`) AS select x AS `a` `` (MySQL 8) or ``select x AS `c` ``.
A query of a form that is not known keeps its text; such a pair of servers shows a difference, which is the safe side.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from dbaudit.schema.canon._select import selected
from dbaudit.schema.model import Schema, View
from dbaudit.schema.text import name


def schema(schema: Schema) -> Schema:
    """Makes the text of queries one."""
    views = {key: _view(view) for key, view in schema.views.items()}
    return replace(schema, views=views) if views else schema


@lru_cache(maxsize=1024)  # the same ones come back with each comparison
def _view(view: View) -> View:
    query = selected(view.select, [name(column) for column in view.columns])
    return view if query is None else replace(view, select=query, columns=())
