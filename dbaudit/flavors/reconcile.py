"""`flavors reconcile`: definitions made equal to an authority's, and ids that instances carry made right where proven.

A plan is made for every database first; with `apply` all are written, each in one transaction, and committed only
when every one of them went through and was looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbaudit.cells.looking import Looking, database_of, demand
from dbaudit.cells.parallel import each
from dbaudit.cells.source import Source, labels, opened, over
from dbaudit.cells.store import keep, things
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.errors import UsageError
from dbaudit.finding import Effect, Finding, Severity, Verdict
from dbaudit.flavors import pointers
from dbaudit.flavors.flavor import Definitions, read_definitions
from dbaudit.flavors.raw import PROJECTS, SPECS, Raw, read_raw
from dbaudit.flavors.renumber import Member, Renumbering, Wish, renumber
from dbaudit.flavors.running import signs
from dbaudit.reconcile import Refused
from dbaudit.repair.edits import Changed, Edits, Prepared, commit_all
from dbaudit.repair.journal import SCHEMA
from dbaudit.repair.target import open_target
from dbaudit.result import Result

WORK = "flavors reconcile"
# Columns of flavors' ids in unique keys, in which two may be swapped.
_THROUGH = {SPECS: ("instance_type_id",), PROJECTS: ("instance_type_id",)}


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: whose definitions count (`top`, or a cell's label or operand), and what may be deleted."""

    authority: str = "top"
    delete_extra: bool = False
    journal: str = SCHEMA
    now: str = ""

    @property
    def wish(self) -> Wish:
        """What a plan needs of it."""
        return Wish(self.delete_extra, self.now or datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"))


@dataclass(frozen=True, slots=True)
class Seen:
    """One database as it is: definitions row by row, and its instances in a file."""

    label: str
    path: Path
    raw: Raw
    definitions: Definitions
    used: Counter[str]
    resizing: tuple[str, ...]  # uuids with an open resize
    signs: tuple[str, ...]  # of services that run


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of one database. `unproven` are instances by uuid, with the reason."""

    label: str
    edits: Edits
    renumbered: dict[int, int]
    left: tuple[str, ...]
    unproven: dict[str, str]
    refusals: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """The plan as JSON has it."""
        rows = Counter(edit.table for edit in self.edits.edits)
        return {
            "database": self.label,
            "renumbered": {str(old): new for old, new in sorted(self.renumbered.items())},
            "updates": dict(sorted(rows.items())),
            "inserts": [{"table": one.table, "values": dict(one.values)} for one in self.edits.inserts],
            "definitions": [
                {"table": edit.table, "id": edit.id, "before": dict(edit.was), "after": dict(edit.values)}
                for edit in self.edits.edits
                if "instance_type" in edit.table
            ],
            "left": list(self.left),
            "unproven": dict(self.unproven),
            "refused": list(self.refusals),
        }


def plan(sides: Sequence[Side], looking: Looking, order: Order) -> Result:
    """What would be done; writes nothing."""
    planned = _plans(sides, looking, order)
    return _result(sides, planned, "planned", ())


def apply(sides: Sequence[Side], looking: Looking, order: Order) -> Result:
    """Do it on all databases. Raises Refused before anything is written, DbauditError with what was written where."""
    if not all(isinstance(side.data, LiveData) for side in sides):
        raise UsageError("a dump cannot be written to", "name live databases, or leave out --apply for a plan")
    planned = _plans(sides, looking, order)
    refused = [f"{one.label}: {why}" for one in planned for why in one.refusals]
    if refused:
        raise Refused(f"nothing was written: {'; '.join(refused)}", "end that first, then run it again")
    runs: list[str] = []
    with ExitStack() as stack:
        prepared = []
        for side, one in zip(sides, planned, strict=True):
            if len(one.edits):
                prepared.append(_prepare(side, one, order, stack))
        _verify(sides, planned, prepared, order)
        for target, run in commit_all(prepared):
            runs.append(f"{target.shown}: run {run}, undone by `dbaudit undo {target.shown} {run}`")
    return _result(sides, planned, "done", tuple(runs))


def _prepare(side: Side, one: Planned, order: Order, stack: ExitStack) -> Prepared:
    assert isinstance(side.data, LiveData)
    parameters = {"authority": order.authority, "delete_extra": order.delete_extra}
    prepared = Prepared(open_target(side.data.url, order.journal), WORK, one.edits.tables, parameters)
    stack.callback(prepared.close)
    prepared.begin(len(one.edits))
    prepared.write(one.edits)
    return prepared


def _plans(sides: Sequence[Side], looking: Looking, order: Order) -> list[Planned]:
    demand(sides)
    names = labels(sides)
    files = [looking.folder / f"reconcile-{number}.sqlite" for number in range(len(sides))]
    tasks = list(zip(sides, names, files, strict=True))
    seen = list(each(see, tasks, looking.jobs, "read", looking.watch))
    chosen = _authority(sides, names, order)
    taken = frozenset(id_ for one in seen for id_ in one.raw.ids)
    planned = [_plan(one, seen[chosen], taken, order) for one in seen]
    for file in files:
        file.unlink()
    return planned


def _authority(sides: Sequence[Side], names: Sequence[str], order: Order) -> int:
    for number, (side, name) in enumerate(zip(sides, names, strict=True)):
        if order.authority in (name, side.operand, "top" if number == 0 else name):
            return number
    raise UsageError(f"--authority {order.authority}: no such database", f"one of: top, {', '.join(names[1:])}")


def see(side: Side, label: str, path: Path) -> Seen:
    """Read a database; its instances go into the file `path`."""
    with opened(side) as source:
        keep(path, pointers.parts(source))
        raw, definitions, living = read_raw(source), read_definitions(source), tuple(signs(source))
    used: Counter[str] = Counter()
    resizing = []
    for carrier in _carriers(path):
        if carrier.live and (current := carrier.embedded.current) and current.values.get("flavorid"):
            used[str(current.values["flavorid"])] += 1
        if carrier.resizing:
            resizing.append(carrier.uuid)
    return Seen(label, path, raw, definitions, used, tuple(resizing), living)


def _carriers(path: Path) -> Iterator[pointers.Carrier]:
    for uuid, found in things(path):
        yield from pointers.carriers(uuid, found)


def _plan(one: Seen, authority: Seen, taken: frozenset[int], order: Order) -> Planned:
    if one is authority:
        found = Renumbering({}, one.definitions)
    else:
        mine, theirs = (Member(each_one.raw, each_one.definitions, each_one.used) for each_one in (authority, one))
        found = renumber(mine, theirs, taken, order.wish)
    changes = list(found.edits(one.raw))
    unproven = {}
    moved = False
    for carrier in _carriers(one.path):
        for edit in pointers.edits(carrier, found.final, found.ids):
            changes.append(edit)
            moved = True
        if (why := pointers.unproven(carrier, one.definitions, found.final, found.ids)) is not None:
            unproven[carrier.uuid] = why
    edits = Edits(tuple(changes), tuple(found.inserts), _THROUGH)
    refusals = tuple(_refusals(one, bool(found.ids) or moved)) if len(edits) else ()
    return Planned(one.label, edits, dict(found.ids), tuple(found.left), unproven, refusals)


def _refusals(one: Seen, ids_change: bool) -> Iterator[str]:
    yield from one.signs
    if ids_change and one.resizing:
        some = ", ".join(one.resizing[:5])
        yield (
            f"{len(one.resizing)} instances have an open resize, whose ids are about to be used ({some}): "
            "confirm or revert them first"
        )


def _verify(sides: Sequence[Side], planned: Sequence[Planned], prepared: Sequence[Prepared], order: Order) -> None:
    """Look at the definitions again inside of the transactions: nothing may be left to do."""
    written = {each_one.target.shown: each_one for each_one in prepared}
    now: list[Source] = []
    with ExitStack() as stack:
        for side in sides:
            assert isinstance(side.data, LiveData)
            target = written.get(open_target(side.data.url, order.journal).shown)
            now.append(over(target.connection, side) if target else stack.enter_context(opened(side)))
        chosen = _authority(sides, labels(sides), order)
        members = [Member(read_raw(source), read_definitions(source), {}) for source in now]
        for number, (member, one) in enumerate(zip(members, planned, strict=True)):
            if number == chosen:
                continue
            again = renumber(members[chosen], member, member.raw.ids, order.wish)
            if again.ids or again.inserts or any(True for _ in again.edits(member.raw)):
                raise Changed(
                    f"{one.label} would not be equal to the authority afterwards; nothing was written anywhere",
                    "are all services stopped? make a new plan; report this if nothing else writes there",
                )


def _result(sides: Sequence[Side], planned: Sequence[Planned], state: str, runs: tuple[str, ...]) -> Result:
    findings = []
    for one in planned:
        if one.unproven:
            findings.append(_unproven(one))
        findings += [_left(one, why) for why in one.left]
    done = state == "done"
    verdict = Verdict.WARNINGS if done and findings else Verdict.CLEAN
    notes = [*runs, *(f"{one.label}: would be refused: {why}" for one in planned for why in one.refusals)]
    notes += [_summary(one, done) for one in planned]
    return Result(
        WORK, verdict, databases=tuple(map(database_of, sides)), findings=tuple(findings), notes=tuple(notes),
        extra={"state": state, "plan": [one.as_dict() for one in planned], "runs": list(runs)},
    )  # fmt: skip


def _summary(one: Planned, done: bool) -> str:
    if not len(one.edits):
        return f"{one.label}: nothing to do"
    rows: Counter[str] = Counter(change.table for change in one.edits.edits)
    shown = ", ".join(f"{count:,} of {table}" for table, count in sorted(rows.items()))
    new = Counter(change.table for change in one.edits.inserts)
    made = ", ".join(f"{count:,} of {table}" for table, count in sorted(new.items()))
    said = "were" if done else "would be"
    return f"{one.label}: rows that {said} changed: {shown or 'none'}; made: {made or 'none'}"


def _unproven(one: Planned) -> Finding:
    return Finding(
        "flavors.unproven", Severity.WARNING, Effect.ADVICE, "instances",
        f"{len(one.unproven)} live instances in {one.label} keep an instance_type_id that means another flavor, since "
        "no embedded flavor proves theirs", count=len(one.unproven), keys=tuple(sorted(one.unproven)),
        facts={"database": one.label, "instances": dict(one.unproven)},
        remedy="find their flavor out by hand; the other database may know it by uuid",
    )  # fmt: skip


def _left(one: Planned, why: str) -> Finding:
    return Finding(
        "flavors.left", Severity.WARNING, Effect.ADVICE, "instance_types", f"{one.label}: {why}",
        facts={"database": one.label},
    )  # fmt: skip
