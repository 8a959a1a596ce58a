"""`flavors migrate`: the flavor of every instance as JSON in instance_extra, as Kilo's own code reads it.

Where Kilo's command would write something, that is written. Where it aborts or skips, the JSON is written from the
values that other places prove; the rest is listed with the reason. System metadata that was carried over is then
soft-deleted, as Kilo does, so that Liberty's migration goes through.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pymysql

from dbaudit.cells.looking import Looking, database_of, demand
from dbaudit.cells.parallel import each
from dbaudit.cells.source import labels
from dbaudit.cells.store import Lookup
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Effect, Finding, Severity, Verdict
from dbaudit.flavors import kilo
from dbaudit.flavors.carried import Rows, Seen, rows_of, see
from dbaudit.flavors.embedded import PLACES
from dbaudit.flavors.flavor import Definitions
from dbaudit.flavors.gather import SIZES, Instance
from dbaudit.flavors.proof import UnprovenError, whole
from dbaudit.flavors.reconcile import Order
from dbaudit.reconcile import Refused
from dbaudit.repair.edits import OWN_ID, Edit, Edits, Insert, Prepared
from dbaudit.repair.target import open_target
from dbaudit.result import Result

WORK = "flavors migrate"
# Instances in one transaction: each has some ten rows of metadata, so a chunk takes well under a second.
AT_ONCE = 200


@dataclass
class Done:
    """What became, or would become, of one database's instances."""

    label: str
    counts: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)
    disagree: list[str] = field(default_factory=list)
    run: int | None = None

    def as_dict(self) -> dict[str, object]:
        """The outcome as JSON has it."""
        return {"database": self.label, **dict(sorted(self.counts.items())), "left": dict(self.left), "run": self.run}


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
    return _result(sides, done, order, apply=apply)


def _database(side: Side, one: Seen, seen: Sequence[Seen], order: Order, *, apply: bool) -> Done:
    done = Done(one.label)
    if not one.kilo:
        return done
    chunks = _chunks(one, seen, order, done)
    if not apply:
        for _ in chunks:
            pass
        return done
    assert isinstance(side.data, LiveData)
    with ExitStack() as stack:
        prepared: Prepared | None = None
        for chunk in chunks:
            if prepared is None:
                tables = ("instance_extra", "instance_system_metadata")
                prepared = Prepared(open_target(side.data.url, order.journal), WORK, tables, {})
                stack.callback(prepared.close)
                prepared.begin(len(one.order))
            with _named(prepared):
                prepared.write(chunk)
                prepared.keep()
        if prepared is not None:
            with _named(prepared):
                done.run = prepared.commit()
    return done


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


def _chunks(one: Seen, seen: Sequence[Seen], order: Order, done: Done) -> Iterator[Edits]:
    """The edits of `AT_ONCE` instances at a time."""
    migration, now = kilo.Migration(one.definitions), order.wish.now
    edits: list[Edit] = []
    inserts: list[Insert] = []
    with ExitStack() as stack:
        own, *others = (
            stack.enter_context(closing(Lookup(each_one.path)))
            for each_one in (one, *(s for s in seen if s is not one))
        )
        specs = [each_one.definitions for each_one in seen]
        for count, uuid in enumerate(one.order, 1):
            rows = rows_of(uuid, own.find(uuid))
            assert rows is not None
            _one(rows, migration, _Twins(uuid, others, specs), now, (edits, inserts), done)
            if count % AT_ONCE == 0 and (edits or inserts):
                yield Edits(tuple(edits), tuple(inserts))
                edits.clear()
                inserts.clear()
    if edits or inserts:
        yield Edits(tuple(edits), tuple(inserts))


@dataclass(frozen=True)
class _Twins:
    """The same instance in the other databases, and every database's definitions."""

    uuid: str
    others: Sequence[Lookup]
    definitions: Sequence[Definitions]

    def find(self) -> Instance | None:
        found = (rows_of(self.uuid, other.find(self.uuid)) for other in self.others)
        return next((rows.instance for rows in found if rows is not None), None)

    def specs(self, flavorid: str) -> Mapping[str, str | None]:
        """The extra specs of a flavor that this database has not, where another has it."""
        found = (each_one.found(flavorid) for each_one in self.definitions)
        flavor = next((each_one for each_one in found if each_one is not None), None)
        return {} if flavor is None else {key: values[-1] for key, values in flavor.specs.items()}


def _one(
    rows: Rows, migration: kilo.Migration, twins: _Twins, now: str, changes: tuple[list[Edit], list[Insert]], done: Done
) -> None:
    edits, inserts = changes
    instance = rows.instance
    if instance.embedded.extra is not None:
        _second_place(rows, now, edits, done)
        return
    try:
        document, how = _document(instance, migration, twins)
    except UnprovenError as error:
        done.left[instance.uuid] = str(error)
        return
    done.counts[how] += 1
    text = json.dumps(document)
    if rows.extra:
        id_, flavor = rows.extra[0]
        edits.append(Edit("instance_extra", id_, {"flavor": flavor}, {"flavor": text}))
    else:
        inserts.append(
            Insert(
                "instance_extra", {"created_at": now, "deleted": "0", "instance_uuid": instance.uuid, "flavor": text}
            )
        )
    edits += _deleted(rows, now)
    if how == "as Kilo does" and not _agrees(instance, document):
        done.disagree.append(instance.uuid)


def _second_place(rows: Rows, now: str, edits: list[Edit], done: Done) -> None:
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
    edits += _deleted(rows, now)


def _deleted(rows: Rows, now: str) -> list[Edit]:
    values = {"deleted": OWN_ID, "deleted_at": now}
    return [Edit("instance_system_metadata", id_, {"deleted": "0"}, values) for id_, _ in rows.metadata]


def _document(instance: Instance, migration: kilo.Migration, twins: _Twins) -> tuple[dict[str, Any], str]:
    """The JSON of an instance, and how it came about. Raises UnprovenError."""
    try:
        document = migration.document(instance)
        refused = migration.unknown(instance)
    except kilo.RefusedError as error:
        document, refused = None, str(error)
    if document is not None and refused is None:
        return document, "as Kilo does" if migration.skipped(instance) is None else "skipped by Kilo"
    copies = instance.embedded.metadata
    twin = twins.find()
    if "" not in copies and twin is not None:
        copies = {prefix: replace(copy, specs=None) for prefix, copy in twin.embedded.copies.items()}
    if "" not in copies:
        raise UnprovenError(f"{refused or 'no flavor is known'}; no other place has its flavor")
    written: dict[str, Any] = {}
    for prefix, place in PLACES.items():
        if prefix not in copies:
            written[place] = None
            continue
        try:
            found = whole(instance, copies[prefix], prefix, migration.definitions, twin)
        except UnprovenError as error:
            raise UnprovenError(f"{refused or 'no flavor is known'}; {error}") from None
        written[place] = migration.from_metadata(found, prefix)
        flavorid = str(found.values["flavorid"])
        if migration.definitions.found(flavorid) is None:
            written[place]["nova_object.data"]["extra_specs"] |= twins.specs(flavorid)
    return written, "aborted by Kilo, proven"


def _agrees(instance: Instance, document: Mapping[str, Any]) -> bool:
    data = document["cur"]["nova_object.data"]
    return all(str(data[name] or 0) == (own or "0") for name, own in zip(SIZES, instance.sizes, strict=True))


def _result(sides: Sequence[Side], done: Sequence[Done], order: Order, *, apply: bool) -> Result:
    findings = [_left(one) for one in done if one.left] + [_disagree(one) for one in done if one.disagree]
    notes = []
    for side, one in zip(sides, done, strict=True):
        counts = ", ".join(f"{count:,} {how}" for how, count in sorted(one.counts.items()))
        notes.append(f"{one.label}: {'written' if apply else 'would be written'}: {counts or 'nothing'}")
        if one.run is not None:
            notes.append(f"{one.label}: run {one.run}, undone by `dbaudit undo {side.operand} {one.run}`")
    verdict = Verdict.WARNINGS if apply and findings else Verdict.CLEAN
    runs = [f"{side.operand}: run {one.run}" for side, one in zip(sides, done, strict=True) if one.run is not None]
    return Result(
        WORK, verdict, databases=tuple(map(database_of, sides)), findings=tuple(findings), notes=tuple(notes),
        extra={"state": "done" if apply else "planned", "plan": [one.as_dict() for one in done], "runs": runs},
    )  # fmt: skip


def _left(one: Done) -> Finding:
    return Finding(
        "flavors.not-proven", Severity.WARNING, Effect.ADVICE, "instance_extra.flavor",
        f"the flavor of {len(one.left)} live instances in {one.label} is not written: nothing proves it",
        count=len(one.left), keys=tuple(sorted(one.left)),
        facts={"database": one.label, "instances": dict(one.left)}, remedy="find each flavor out by hand",
    )  # fmt: skip


def _disagree(one: Done) -> Finding:
    return Finding(
        "flavors.kilo-disagrees", Severity.WARNING, Effect.ADVICE, "instance_extra.flavor",
        f"what Kilo makes of {len(one.disagree)} live instances in {one.label} is not what their own columns say",
        count=len(one.disagree), keys=tuple(sorted(one.disagree)), facts={"database": one.label},
        remedy="find out what the hypervisor gave them, and correct the other place",
    )  # fmt: skip
