"""How long keystone needs what has expired: its own settings, and the one cutoff of a run.

Settings come from an option, else from keystone.conf where that is the operand or is named, else they are upstream's
defaults, and the plan says which. Where a wrong guess would harm, nothing is guessed: see `expiration`, `default_ttl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dbaudit.comparison.operand import read_configuration
from dbaudit.errors import DbauditError, UsageError
from dbaudit.release import Release, release

# Seconds, upstream's defaults. Ocata brought allow_expired_window: before it, an expired token is of no use at all.
WINDOW, EXPIRATION, BUFFER = 172_800, 3_600, 1_800
_WINDOW_SINCE = release("ocata")
_OPTIONS = {
    "window": ("token", "allow_expired_window"),
    "expiration": ("token", "expiration"),
    "buffer": ("revoke", "expiration_buffer"),
    "default_ttl": ("federation", "default_authorization_ttl"),
}
# Why revocation events stay where nothing tells how long tokens live: the one skip that is no fault of the database.
UNTOLD = (
    "[token] expiration is not known, and an event that goes before the tokens that it revokes makes them valid again: "
    "name keystone.conf with --config, or give --token-expiration"
)
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Retention:
    """Keystone's settings. `window`, `expiration` and `buffer` in seconds, `default_ttl` in minutes, None if not known.

    `expiration` is upstream's default only where a keystone.conf was read that does not set it: with a longer one that
    nothing told of, revoked tokens would become valid again. `said` tells for each setting where its value is from.
    """

    window: int = WINDOW
    expiration: int | None = None
    buffer: int = BUFFER
    default_ttl: int | None = None
    said: Mapping[str, str] = field(default_factory=dict)


def read_retention(options: Mapping[str, int | None], file: Path | None, at: Release | None) -> Retention:
    """The settings by option, then by `file` (keystone.conf), then by the defaults of the release `at`.

    Raises DbauditError where the file cannot be read or has no number there.
    """
    values: dict[str, int] = {}
    said: dict[str, str] = {}
    parser = read_configuration(file) if file else None
    for name, (section, key) in _OPTIONS.items():
        if (given := options.get(name)) is not None:
            values[name], said[name] = given, "an option of this run"
        elif parser is not None and parser.has_option(section, key):
            values[name] = _number(parser.get(section, key), f"[{section}] {key} in {file}")
            said[name] = f"[{section}] {key} in {file}"
        elif name != "default_ttl" and (name != "expiration" or file):
            values[name], said[name] = _default(name, at)
    return Retention(said=said, **values)


def _default(name: str, at: Release | None) -> tuple[int, str]:
    section, key = _OPTIONS[name]
    if name == "window" and at is not None and at < _WINDOW_SINCE:
        return 0, f"keystone {at} has no [{section}] {key}"
    value = {"window": WINDOW, "expiration": EXPIRATION, "buffer": BUFFER}[name]
    if name == "expiration":
        return value, f"upstream's default of [{section}] {key}, which keystone.conf does not set"
    return value, f"upstream's default of [{section}] {key}; name keystone.conf with --config if it is set there"


def _number(text: str, where: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise DbauditError(f"{where} is no number: {text!r}") from None


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The instant of a run, UTC without zone; what expired before it is dead. `why` says how it was found.

    `given` where the user named it: such a run is another one than a run up to now.
    """

    at: datetime
    why: str
    given: bool = False

    def literal(self, back: int = 0) -> str:
        """As a DATETIME in SQL, `back` seconds earlier."""
        return f"'{(self.at - timedelta(seconds=back)).isoformat(' ')}'"

    @property
    def microseconds(self) -> int:
        """Since 1970, as keystone keeps newer expiries."""
        return (self.at - _EPOCH) // timedelta(microseconds=1)


def find_cutoff(now: str, before: str | None, retention: Retention) -> Cutoff:
    """The cutoff of a run. `now` is the server's UTC_TIMESTAMP(6), `before` what the user wants.

    Raises UsageError for a time that cannot be read, or is yet to come by the server's clock.
    """
    clock = datetime.fromisoformat(now)
    if before is None:
        at = clock - timedelta(seconds=retention.window)
        return Cutoff(at, f"the server's clock minus {retention.window} s ({retention.said.get('window', 'default')})")
    try:
        at = datetime.fromisoformat(before)
    except ValueError:
        raise UsageError(f"--before {before!r} is no time", "write it as 2026-01-31T12:00:00, in UTC") from None
    at = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    if at > clock:
        raise UsageError(
            f"--before {before} is yet to come: the server's clock says {clock.isoformat(' ', 'seconds')} UTC",
            "what has not expired is never deleted; name a time that is past",
        )
    return Cutoff(at, "given with --before", given=True)
