"""The kinds of faults that flavors have: how bad each is, how it is said, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbaudit.cells.fault import Kind
from dbaudit.finding import Effect, Severity

_RECONCILE = "dbaudit flavors reconcile makes the definitions equal"
_NONE = "neither its system metadata nor instance_extra holds its flavor"


def _flavor(severity: Severity, effect: Effect, sentence: str, remedy: str = _RECONCILE, object_: str = "") -> Kind:
    return Kind(severity, effect, object_ or "instance_types", sentence, remedy)


def _instances(severity: Severity, sentence: str, remedy: str, object_: str = "instance_system_metadata") -> Kind:
    return Kind(severity, Effect.DRIFT, object_, sentence, remedy, many=True)


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_MIGRATE = "dbaudit flavors migrate writes what can be proven from the other places, and lists the rest"
KINDS: Mapping[str, Kind] = {
    "flavors.missing": _flavor(
        _ERROR, Effect.DRIFT,
        "flavor {name} ({key}) of {reference} is {how} in {database}; {instances} live instances there embed it",
    ),
    "flavors.extra": _flavor(
        _WARNING, Effect.DRIFT, "flavor {name} ({key}) is in {database}, but {how} in {reference}",
        "dbaudit flavors reconcile --delete-extra deletes it; or make it where it is missing",
    ),
    "flavors.changed": _flavor(
        _ERROR, Effect.DRIFT, "flavor {name} ({key}) in {database} is not that of {reference}: {differences}"
    ),
    "flavors.changed-deleted": _flavor(
        _WARNING, Effect.DRIFT,
        "the deleted flavor {name} ({key}) in {database} is not that of {reference}: {differences}; "
        "{instances} live instances still point at it",
    ),
    "flavors.extra-specs": _flavor(
        _ERROR, Effect.DRIFT, "extra specs of flavor {name} ({key}) in {database} are not those of {reference}: "
        "{differences}", object_="instance_type_extra_specs",
    ),
    "flavors.access": _flavor(
        _WARNING, Effect.DRIFT, "the access list of flavor {name} ({key}) in {database} is not that of {reference}: "
        "{differences}", object_="instance_type_projects",
    ),
    "flavors.access-only-at-top": _flavor(
        _NOTE, Effect.ADVICE,
        "{reference} has access lists for {count} flavors, {database} has none at all: only the API of the top uses "
        "them, so this does no harm while cells v1 is in use", object_="instance_type_projects",
    ),
    "flavors.duplicate": _flavor(
        _ERROR, Effect.LOSES, "{database} has {count} live rows of {what} {shown}: ids {ids}; the unique keys of "
        "Havana leave only the newest", "decide which one stays, and delete the others, before Havana's migrations do",
    ),
    "flavors.case-collision": _flavor(
        _WARNING, Effect.DRIFT, "{database} has {what} that differ only by letter case or accents: {shown}; the "
        "collation calls them equal, and the unique keys of Havana leave only the newest", "rename one of them",
    ),
    "flavors.id-disagreement": _flavor(
        _WARNING, Effect.ADVICE,
        "flavor {name} ({key}) has other ids in other databases ({shown}): an instance's instance_type_id then means "
        "another flavor, and cells v1 copies it from the top at boot",
        "dbaudit flavors reconcile renumbers definitions; what instances point at is a repair of its own",
    ),
    "flavors.no-value": _flavor(
        _WARNING, Effect.DRIFT, "flavor {name} ({key}) in {database} has no value for {differences}: Kilo cannot read "
        "the instances of such a flavor", "give the columns values, 0 where the size does not matter",
    ),
    "flavors.deleted-in-use": _flavor(
        _NOTE, Effect.ADVICE, "{instances} live instances in {database} are of flavor {name} ({key}), which is "
        "deleted: nothing is wrong while its row stays", "do not purge or archive this row of instance_types",
    ),
    "flavors.points-elsewhere": _instances(
        _ERROR, "the instance_type_id of {count} live instances in {database} means another flavor than theirs",
        "dbaudit flavors reconcile corrects it where the embedded flavor proves which it is", "instances",
    ),
    "flavors.points-nowhere": _instances(
        _ERROR, "the instance_type_id of {count} live instances in {database} is none of instance_types",
        "dbaudit flavors reconcile corrects it where the embedded flavor proves which it is", "instances",
    ),
    "flavors.embedded-id": _instances(
        _ERROR, "the flavor id inside the embedded flavor of {count} live instances in {database} means another flavor",
        "dbaudit flavors reconcile corrects it where the embedded flavor proves which it is",
    ),
    "flavors.embedded-missing": _instances(
        _ERROR, "{count} live instances in {database} embed no flavor: " + _NONE,
        "write it from the other database by uuid, or from soft-deleted system metadata",
    ),
    "flavors.embedded-both": _instances(
        _ERROR, "{count} live instances in {database} embed their flavor twice: in instance_extra and still in system "
        "metadata, which stops Liberty's migration 291", _MIGRATE,
    ),
    "flavors.embedded-partial": _instances(
        _ERROR, "{count} live instances in {database} lack some keys of their flavor",
        "write the missing keys from the other database or from the flavor's definition",
    ),
    "flavors.embedded-duplicate": _instances(
        _ERROR, "{count} live instances in {database} have keys of their flavor more than once: which value counts is "
        "chance", "delete the rows that do not agree with the instance",
    ),
    "flavors.embedded-unreadable": _instances(
        _ERROR, "{count} live instances in {database} embed values that are no numbers, or JSON that cannot be read",
        "'None' as text must become NULL; correct the others from the flavor's definition",
    ),
    "flavors.embedded-disagrees": _instances(
        _ERROR, "{count} live instances in {database} have other vcpus, memory or disks than the flavor they embed",
        "find out what the hypervisor gave the instance, and correct the other place",
    ),
    "flavors.embedded-differs": _instances(
        _ERROR, "{count} live instances embed another flavor in {database} than in {reference}",
        "the cell is right in what it runs: correct the top from it",
    ),
    "flavors.not-its-definition": _instances(
        _ERROR, "{count} live instances in {database} embed other values than the flavor of their id has",
        "sizes of a flavor cannot be changed by the API: somebody changed the table; put it back", "instance_extra",
    ),
    "flavors.resize-incomplete": _instances(
        _ERROR, "{count} instances in {database} wait for a resize to be confirmed, and the flavors before and after "
        "it are not whole", "confirm or revert the resize by hand before the upgrade",
    ),
    "flavors.resize-leftover": _instances(
        _WARNING, "{count} live instances in {database} keep the flavors of a resize that is over",
        "delete the keys that begin with old_ and new_",
    ),
    "flavors.migrate-fails": Kind(
        _ERROR, Effect.BLOCKS, "instance_extra.flavor",
        "nova-manage db migrate_flavor_data aborts at {count} live instances in {database}: {group}",
        _MIGRATE, many=True,
    ),
    "flavors.migrate-skips": Kind(
        _ERROR, Effect.BLOCKS, "instance_extra.flavor",
        "nova-manage db migrate_flavor_data skips {count} live instances in {database}: {group}",
        "end what they wait for, or run it with --force while nova's services are stopped", many=True,
    ),
    "flavors.not-migrated": Kind(
        _ERROR, Effect.BLOCKS, "instance_system_metadata",
        "Liberty's migration 291 refuses {database}: {count} instances that are not reclaimed keep their flavor in "
        "system metadata", "nova-manage db migrate_flavor_data, or dbaudit flavors migrate", many=True,
    ),
}  # fmt: skip

_EMBEDDED = tuple(
    kind
    for kind in KINDS
    if kind.startswith(("flavors.embedded", "flavors.resize", "flavors.migrate", "flavors.not-migrated"))
)
# Which kinds need which table, and which one of a cell from nova_api on.
NEEDED_BELOW: Mapping[str, Sequence[str]] = {"instance_extra": (*_EMBEDDED, "flavors.not-its-definition")}
NEEDED: Mapping[str, Sequence[str]] = {
    "instance_types": (
        "flavors.missing", "flavors.extra", "flavors.changed", "flavors.changed-deleted", "flavors.extra-specs",
        "flavors.access", "flavors.access-only-at-top", "flavors.points-elsewhere", "flavors.points-nowhere",
        "flavors.embedded-id", "flavors.migrate-fails", "flavors.migrate-skips",
    ),
    "instance_type_extra_specs": ("flavors.extra-specs",),
    "instance_type_projects": ("flavors.access", "flavors.access-only-at-top"),
    "instance_system_metadata": _EMBEDDED,
    "instance_extra": _EMBEDDED,
}  # fmt: skip
