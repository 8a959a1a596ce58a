"""Definitions against each other: the reference (the top) against each cell, by flavorid, never by id."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dbaudit.cells.fault import Fault
from dbaudit.cells.instant import newest
from dbaudit.flavors.flavor import Definitions, Flavor, folded

# Attributes that Kilo's objects refuse to have no value.
NEEDED = ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap", "rxtx_factor")


@dataclass(frozen=True, slots=True)
class Member:
    """A database in the comparison. `used` counts its live instances by flavorid, `pointed` by instance_type_id."""

    label: str
    definitions: Definitions
    used: Counter[str] = field(default_factory=Counter)
    pointed: Counter[int] = field(default_factory=Counter)

    def pointing(self, flavors: Sequence[Flavor]) -> int:
        """Live instances that point at one of these rows."""
        return sum(self.pointed[each.id] for each in flavors)


def absent(members: Sequence[Member | Definitions]) -> list[frozenset[str]]:
    """For each database the flavorids that others have a row of, and it has none."""
    definitions = [each.definitions if isinstance(each, Member) else each for each in members]
    every = [frozenset(flavor.flavorid for flavor in each.by_id.values()) for each in definitions]
    union: frozenset[str] = frozenset().union(*every)
    return [union - own for own in every]


def compare(reference: Member, members: Sequence[Member]) -> Iterator[Fault]:
    """Every fault of the definitions: of each database alone, of each against the reference, of ids everywhere."""
    for member in (reference, *members):
        yield from alone(member)
    for member in members:
        yield from _against(reference, member)
    yield from _ids((reference, *members))


def alone(member: Member) -> Iterator[Fault]:
    """Faults of the definitions of one database."""
    live = list(member.definitions.live())
    for what, of in (("flavorid", lambda each: each.flavorid), ("name", lambda each: each.name)):
        yield from _collisions(member, live, what, of)
    for flavor in live:
        for key, values in flavor.specs.items():
            if len(values) > 1:
                yield _twice(member, flavor, "extra spec", key, len(values))
        for project, count in Counter(flavor.access).items():
            if count > 1:
                yield _twice(member, flavor, "access of project", project, count)
        lacking = [name for name in NEEDED if flavor.values[name] is None]
        if lacking:
            yield _fault("flavors.no-value", member, flavor, differences=", ".join(lacking))
    for flavor in member.definitions.by_id.values():
        if not flavor.live and member.pointed[flavor.id] and member.definitions.current(flavor.flavorid) is None:
            yield _fault("flavors.deleted-in-use", member, flavor, str(flavor.id), instances=member.pointed[flavor.id])


def _collisions(
    member: Member, live: Sequence[Flavor], what: str, of: Callable[[Flavor], str]
) -> Iterator[Fault]:  # fmt: skip
    groups: dict[str, list[Flavor]] = defaultdict(list)
    for flavor in live:
        groups[folded(of(flavor))].append(flavor)
    for group in groups.values():
        exact: dict[str, list[Flavor]] = defaultdict(list)
        for flavor in group:
            exact[of(flavor)].append(flavor)
        for value, same in exact.items():
            if len(same) > 1:
                ids = ", ".join(str(each.id) for each in same)
                yield _fault(
                    "flavors.duplicate", member, same[-1], what, what=what, shown=value, count=len(same), ids=ids
                )
        if len(exact) > 1:
            shown = ", ".join(sorted(exact))
            yield _fault("flavors.case-collision", member, group[-1], what, what=f"{what}s", shown=shown)


def _twice(member: Member, flavor: Flavor, what: str, value: str, count: int) -> Fault:
    shown = f"{value} of flavor {flavor.name} ({flavor.flavorid})"
    return _fault(
        "flavors.duplicate", member, flavor, f"{what} {value}", what=what, shown=shown, count=count,
        ids=f"of the flavor {flavor.id}",
    )  # fmt: skip


def _against(reference: Member, member: Member) -> Iterator[Fault]:
    mine, theirs = reference.definitions, member.definitions
    every = {flavor.flavorid: None for each in (mine, theirs) for _, flavor in sorted(each.by_id.items())}
    bare = not any(flavor.access for flavor in theirs.live())
    for flavorid in every:
        here, there = mine.current(flavorid), theirs.current(flavorid)
        if here is not None and there is not None:
            yield from _changed(reference, member, here, there, bare)
        elif here is not None:
            how = "deleted" if theirs.of(flavorid) else "missing"
            yield _missing(reference, member, here, how)
        elif there is not None:
            how = "deleted" if mine.of(flavorid) else "missing"
            yield _fault("flavors.extra", member, there, reference=reference.label, how=how)
        elif member.used[flavorid] and not theirs.of(flavorid):
            yield _missing(reference, member, mine.of(flavorid)[-1], "missing (and deleted at the other side)")
        yield from _generations(reference, member, flavorid)
    if bare and any(flavor.access for flavor in mine.live()):
        listed = [flavor for flavor in mine.live() if flavor.access]
        yield Fault(
            "flavors.access-only-at-top", member.label, "", facts={"reference": reference.label, "count": len(listed)}
        )


def _missing(reference: Member, member: Member, flavor: Flavor, how: str) -> Fault:
    same = [each.flavorid for each in member.definitions.live() if each.name == flavor.name]
    return _fault(
        "flavors.missing", member, flavor, reference=reference.label, how=how, instances=member.used[flavor.flavorid],
        same_name=same,
    )  # fmt: skip


def _changed(reference: Member, member: Member, here: Flavor, there: Flavor, bare: bool) -> Iterator[Fault]:
    """Attributes, extra specs and access lists of one flavor. `bare`: the member has no access list at all."""
    found = {
        "flavors.changed": differences(here.values, there.values),
        "flavors.extra-specs": differences(_last(here), _last(there)),
        "flavors.access": [] if bare else sorted(
            f"{project} only in {label}"
            for label, left, right in ((reference.label, here, there), (member.label, there, here))
            for project in set(left.access) - set(right.access)
        ),
    }  # fmt: skip
    for kind, lines in found.items():
        if lines:
            yield _pair(kind, reference, member, (here, there), differences="; ".join(lines))


def differences(here: Mapping[str, str | None], there: Mapping[str, str | None]) -> list[str]:
    """`memory_mb 6144 here, 4000 there` for each value that is not the same; a value that is not there is `absent`."""
    return [
        f"{name} is {_shown(here, name)}, there {_shown(there, name)}"
        for name in dict.fromkeys((*here, *there))
        if _shown(here, name) != _shown(there, name)
    ]


def _shown(values: Mapping[str, str | None], name: str) -> str:
    value = values.get(name)
    return "absent" if name not in values else "NULL" if value is None else repr(value)


def _last(flavor: Flavor) -> dict[str, str | None]:
    return {key: values[-1] for key, values in flavor.specs.items()}


def _generations(reference: Member, member: Member, flavorid: str) -> Iterator[Fault]:
    """Deleted rows of a flavorid that both have the same number of, in order of id: their values."""
    pairs = paired(reference.definitions, member.definitions, flavorid)
    for here, there in pairs:
        if not (here.live or there.live) and (lines := differences(here.values, there.values)):
            yield _pair(
                "flavors.changed-deleted", reference, member, (here, there), str(here.id),
                differences="; ".join(lines), instances=member.pointed[there.id],
            )  # fmt: skip


def paired(mine: Definitions, theirs: Definitions, flavorid: str) -> list[tuple[Flavor, Flavor]]:
    """The rows of a flavorid in two databases that are the same generation of it."""
    pairs: list[tuple[Flavor, Flavor]] = []
    for live in (True, False):
        here, there = ([each for each in side.of(flavorid) if each.live is live] for side in (mine, theirs))
        if len(here) == len(there):
            pairs += zip(here, there, strict=True)
        elif live and here and there:
            pairs.append((here[-1], there[-1]))
    return pairs


def _ids(members: Sequence[Member]) -> Iterator[Fault]:
    """One fault for each flavorid whose rows do not have one id everywhere."""
    reference, *rest = members
    seen: dict[str, dict[str, list[int]]] = {}
    latest: dict[str, str | None] = {}
    for member in rest:
        for flavorid in {flavor.flavorid for flavor in reference.definitions.by_id.values()}:
            for here, there in paired(reference.definitions, member.definitions, flavorid):
                if here.id != there.id:
                    ids = seen.setdefault(flavorid, {})
                    for label, flavor in ((reference.label, here), (member.label, there)):
                        if flavor.id not in ids.setdefault(label, []):
                            ids[label].append(flavor.id)
                    latest[flavorid] = newest(latest.get(flavorid), here.newest, there.newest)
    for flavorid in sorted(seen, key=lambda each: min(seen[each][reference.label])):
        shown = "; ".join(f"{label}: {', '.join(map(str, ids))}" for label, ids in seen[flavorid].items())
        name = reference.definitions.of(flavorid)[-1].name
        yield Fault(
            "flavors.id-disagreement", "", flavorid, latest[flavorid], facts={"name": name, "shown": shown,
            "ids": seen[flavorid]},
        )  # fmt: skip


def _pair(
    kind: str, reference: Member, member: Member, flavors: tuple[Flavor, Flavor], group: str = "", **facts: object
) -> Fault:
    here, there = flavors
    latest = newest(here.newest, there.newest)
    every = {"name": here.name, "reference": reference.label, **facts}
    return Fault(kind, member.label, here.flavorid, latest, group, every)


def _fault(kind: str, member: Member, flavor: Flavor, group: str = "", **facts: object) -> Fault:
    return Fault(kind, member.label, flavor.flavorid, flavor.newest, group, {"name": flavor.name, **facts})
