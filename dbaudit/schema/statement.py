"""One statement of the way from a schema to another: its text, what it may lose, and what it does to the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dbaudit.schema.model import ForeignKey, Table
from dbaudit.schema.table_alter import Clause


class Act(Enum):
    """What a statement does, for those who write it in another language than SQL."""

    CREATE_TABLE = "create table"
    DROP_TABLE = "drop table"
    ADD_KEY = "add key"
    DROP_KEY = "drop key"
    ALTER_TABLE = "alter table"


@dataclass(frozen=True, slots=True)
class About:
    """The act, its table, and the key or the clauses that it is about."""

    act: Act
    table: Table
    key: ForeignKey | None = None
    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What may be wanted instead of a drop and an add: the reason in words, and the statement."""

    why: str
    sql: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its delimiter; `loses` are sentences about what it may lose; `body` holds semicolons.

    `possible` is False where it is no more than a remark about what cannot be written as a statement. `about` is what
    it does in the terms of the model, where that has a form.
    """

    sql: str
    loses: tuple[str, ...] = ()
    body: bool = False
    possible: bool = True
    about: About | None = None
