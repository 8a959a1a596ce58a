"""`flavors migrate`: the flavor of every instance as JSON in instance_extra, as Kilo's own code reads it.

Where Kilo's command would write something, that is written. Where it aborts or skips, the JSON is written from the
values that other places prove; the rest is listed with the reason. System metadata that was carried over is then
soft-deleted, as Kilo does, so that Liberty's migration goes through.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import pymysql

from dbaudit.cells.looking import Looking, demand
from dbaudit.cells.parallel import each
from dbaudit.cells.source import labels
from dbaudit.cells.store import Lookup
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError, UsageError
from dbaudit.flavors import kilo
from dbaudit.flavors.carried import Rows, Seen, rows_of, see
from dbaudit.flavors.document import AS_KILO, Twins, agrees, document_of
from dbaudit.flavors.gather import SIZES, Instance
from dbaudit.flavors.migrated import WORK, Done, result
from dbaudit.flavors.proof import UnprovenError
from dbaudit.flavors.stillness import living
from dbaudit.flavors.survey import Order
from dbaudit.reconcile import Refused
from dbaudit.repair.edits import OWN_ID, Edit, Edits, Guard, Insert
from dbaudit.repair.prepared import Prepared
from dbaudit.repair.run import Interrupted
from dbaudit.repair.target import open_target
from dbaudit.result import Result

# Instances in one transaction: each has some ten rows of metadata, so a chunk takes well under a second.
AT_ONCE = 200


def migrate(sides: Sequence[Side], looking: Looking, order: Order, *, apply: bool) -> Result:
    """Write, or with `apply` False say what would be written. Raises Refused before anything is written."""
    demand(sides)
    if apply and not all(isinstance(side.data, LiveData) for side in sides):
        raise UsageError("a dump cannot be written to", "name live databases, or leave out --apply for a plan")
    files = [looking.folder / f"migrate-{number}.sqlite" for number in range(len(sides))]
    tasks = list(zip(sides, labels(sides), files, strict=True))
    seen = list(each(see, tasks, looking.jobs, "read", looking.watch))
    if not any(one.kilo for one in seen):
        raise UsageError("none of these databases has instance_extra.flavor", "upgrade to Kilo (nova 280) first")
    refused = [f"{one.label}: {why}" for one in seen for why in one.signs]
    if apply and refused:
        raise Refused(f"nothing was written: {'; '.join(refused)}", "stop nova's services, then run it again")
    done: list[Done] = []
    for side, one in zip(sides, seen, strict=True):
        try:
            done.append(_database(side, one, seen, order, apply=apply))
        except DbauditError as error:
            wrote = ", ".join(f"{each_one.label} (run {each_one.run})" for each_one in done if each_one.run)
            raise type(error)(f"{one.label}: {error.what}; done before: {wrote or 'nothing'}", error.hint) from error
    for file in files:
        file.unlink()
    return result(sides, done, apply=apply)


def _database(side: Side, one: Seen, seen: Sequence[Seen], order: Order, *, apply: bool) -> Done:
    done = Done(one.label)
    if not one.kilo:
        return done
    with closing(_chunks(one, seen, order, done)) as chunks:  # it holds files open, also where writing breaks off
        if apply:
            _write(side, one, chunks, order, done)
        else:
            for _ in chunks:
                pass
    return done


def _write(side: Side, one: Seen, chunks: Iterator[Edits], order: Order, done: Done) -> None:
    """The chunks of one database, each in a transaction of its own."""
    assert isinstance(side.data, LiveData)
    chunk = next(chunks, None)
    if chunk is None:
        return
    target = open_target(side.data.url, order.journal)
    throttle = order.hold(target)
    prepared = Prepared(target, WORK, ("instance_extra", "instance_system_metadata"), {})
    with closing(prepared), _named(prepared):
        prepared.begin(len(one.order))
        while chunk is not None:
            throttle.wait(prepared.stay)
            if throttle.stop.wanted:
                raise Interrupted("stopped between two chunks", "run it again")
            prepared.write(chunk)
            if found := tuple(living(side.schema, prepared.connection)):
                raise Refused("; ".join(found), "stop nova's services, then run it again")
            prepared.keep()
            chunk = next(chunks, None)
        done.run = prepared.commit()


@contextmanager
def _named(prepared: Prepared) -> Iterator[None]:
    """Name the run in what is raised after some of it was committed."""
    try:
        yield
    except (DbauditError, pymysql.MySQLError, OSError) as error:
        failure = error if isinstance(error, DbauditError) else prepared.target.failure(error)
        if prepared.kept is None:
            raise failure from error
        raise type(failure)(
            f"{failure.what}; run {prepared.kept} is written in part",
            "run it again, which does what is left; or undo that run",
        ) from error


def _chunks(one: Seen, seen: Sequence[Seen], order: Order, done: Done) -> Generator[Edits, None, None]:
    """The edits of `AT_ONCE` instances at a time."""
    migration, now = kilo.Migration(one.definitions), order.wish.now
    chunk = _Chunk()
    with ExitStack() as stack:
        own, *others = (
            stack.enter_context(closing(Lookup(each_one.path)))
            for each_one in (one, *(s for s in seen if s is not one))
        )
        specs = [each_one.definitions for each_one in seen]
        for count, uuid in enumerate(one.order, 1):
            rows = rows_of(uuid, own.find(uuid))
            assert rows is not None
            _one(rows, migration, Twins(uuid, others, specs), now, chunk, done)
            if count % AT_ONCE == 0 and chunk:
                yield chunk.taken()
    if chunk:
        yield chunk.taken()


@dataclass
class _Chunk:
    """What is to be done to the instances in hand."""

    edits: list[Edit] = field(default_factory=list)
    inserts: list[Insert] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.edits) + len(self.inserts)

    def taken(self) -> Edits:
        """All of it, and nothing is in hand any more."""
        found = Edits(tuple(self.edits), tuple(self.inserts), guards=tuple(self.guards))
        for each_one in (self.edits, self.inserts, self.guards):
            each_one.clear()
        return found


def _one(rows: Rows, migration: kilo.Migration, twins: Twins, now: str, chunk: _Chunk, done: Done) -> None:
    instance = rows.instance
    if instance.embedded.extra is not None:
        _second_place(rows, now, chunk, done)
        return
    try:
        document, how = document_of(instance, migration, twins)
    except UnprovenError as error:
        done.left[instance.uuid] = str(error)
        return
    done.counts[how] += 1
    text = json.dumps(document)
    chunk.guards.append(_guard(instance))
    if rows.extra:
        id_, flavor = rows.extra[0]
        chunk.edits.append(Edit("instance_extra", id_, {"flavor": flavor}, {"flavor": text}))
    else:
        values = {"created_at": now, "deleted": "0", "instance_uuid": instance.uuid, "flavor": text}
        chunk.inserts.append(Insert("instance_extra", values))
    chunk.edits += _deleted(rows, now)
    if how == AS_KILO and not agrees(instance, document):
        done.disagree.append(instance.uuid)


def _second_place(rows: Rows, now: str, chunk: _Chunk, done: Done) -> None:
    """Metadata beside a JSON that says the same goes; where they differ, both stay and are listed."""
    embedded = rows.instance.embedded
    if not rows.metadata:
        return
    mine, theirs = embedded.current, embedded.metadata.get("")
    same = mine is not None and theirs is not None and all(
        mine.number(name) == theirs.number(name) for name in theirs.values if name != "id"
    )  # fmt: skip
    if embedded.broken or not same:
        done.left[rows.instance.uuid] = embedded.broken or "system metadata and instance_extra hold different flavors"
        return
    done.counts["metadata beside the same JSON"] += 1
    chunk.guards.append(_guard(rows.instance))
    chunk.edits += _deleted(rows, now)


def _deleted(rows: Rows, now: str) -> list[Edit]:
    values = {"deleted": OWN_ID, "deleted_at": now}
    return [
        Edit("instance_system_metadata", id_, {"deleted": "0", "value": value}, values) for id_, value in rows.metadata
    ]


def _guard(instance: Instance) -> Guard:
    """What the JSON of an instance depends on beside the rows that are changed."""
    was = {
        "deleted": "0", "instance_type_id": instance.type_id, "vm_state": instance.vm_state,
        "task_state": instance.task_state, **dict(zip(SIZES, instance.sizes, strict=True)),
    }  # fmt: skip
    return Guard("instances", instance.number, was)
