"""Tables with rows to be repaired, and the works that repair them, for tests of the engine itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from dbaudit.change import Delete, Guard, Update
from dbaudit.check import Tables
from dbaudit.repair.work import Part, Work

Execute = Callable[..., list[tuple[Any, ...]]]
THINGS = (
    "CREATE TABLE owner (id INT NOT NULL PRIMARY KEY, name VARCHAR(20)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
    "CREATE TABLE thing (id VARCHAR(36) NOT NULL PRIMARY KEY, owner_id INT, words VARCHAR(50), n INT) "
    "ENGINE=InnoDB DEFAULT CHARSET=utf8",
    "CREATE TABLE part (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, thing_id VARCHAR(36) NOT NULL, up INT NULL, "
    "CONSTRAINT part_thing FOREIGN KEY (thing_id) REFERENCES thing (id) ON DELETE CASCADE, "
    "CONSTRAINT part_up FOREIGN KEY (up) REFERENCES part (id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8",
    "CREATE TABLE tag (name VARCHAR(10) NOT NULL, part_id INT NULL, PRIMARY KEY (name), "
    "CONSTRAINT tag_part FOREIGN KEY (part_id) REFERENCES part (id) ON DELETE SET NULL) "
    "ENGINE=InnoDB DEFAULT CHARSET=utf8",
)


def orphans(t: Tables) -> Any:
    joined = t.thing.outerjoin(t.owner, t.owner.c.id == t.thing.c.owner_id)
    return select(t.thing.c.id).select_from(joined).where(t.owner.c.id.is_(None), t.thing.c.owner_id.is_not(None))


def blank(t: Tables) -> Any:
    return select(t.thing.c.id).where(t.thing.c.words == "")


# With cascades: parts of things, parts of parts, and tags that lose their part.
DROP = Work("test.drop", (Part("drop", "thing", orphans, Delete((Guard("owner", {"owner_id": "id"}),))),))
FILL = Work("test.fill", (Part("fill", "thing", blank, Update(lambda t: {"words": "filled", "n": t.thing.c.n + 1})),))
WORKS = {"drop": DROP, "fill": FILL}


def make_things(execute: Execute, rows: int = 800) -> None:
    """Things of which every second has no owner and every third no words; each has parts, some have tags."""
    execute(*THINGS)
    execute("INSERT INTO owner VALUES " + ", ".join(f"({n}, 'o{n}')" for n in range(1, 6)))
    things = (f"('id-{n * 7919 % 100003:06}', {1 + n % 10}, '{'' if n % 3 == 0 else 'w'}', {n})" for n in range(rows))
    execute("INSERT INTO thing VALUES " + ", ".join(things))
    execute("INSERT INTO part (thing_id) SELECT id FROM thing ORDER BY id")
    execute(
        "INSERT INTO part (thing_id, up) SELECT t.id, (SELECT MIN(p.id) FROM part p WHERE p.thing_id = t.id) "
        "FROM thing t WHERE t.n % 4 = 0 ORDER BY t.id"
    )
    execute("INSERT INTO tag SELECT CONCAT('t', id), id FROM part WHERE id % 5 = 0")
