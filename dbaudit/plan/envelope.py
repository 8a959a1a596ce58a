"""A result as JSON text and back, whole: what a database's rehearsal found outlives the process that ran it.

It is not the report: it holds the values of `Result` field by field, so that nothing is lost on the way. Values of
`facts` come back as JSON has them, which is how reports show them. It knows no class by name: fields, their types and
their order are those of the dataclasses.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from dbaudit.errors import DbauditError
from dbaudit.result import Result, plain


def freeze(result: Result) -> str:
    """The result as JSON text."""
    return json.dumps(asdict(result), default=plain)


def thaw(text: str) -> Result:
    """The result that `freeze` wrote. Raises ValueError, TypeError or KeyError for another text."""
    return cast(Result, value_of(Result, json.loads(text)))


def value_of(kind: Any, value: Any) -> Any:
    """A value of a type, from what JSON or TOML has for it. Raises TypeError or ValueError where it does not fit."""
    origin, within = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(within, value)
    if origin is tuple:
        return _tuple(within, value)
    if origin is frozenset:
        if not isinstance(value, list):
            raise TypeError(f"{value!r} is no list")
        return frozenset(value_of(within[0], each) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        return {value_of(within[0], key): value_of(within[1], each) for key, each in value.items()}
    return _plain_value(kind, value)


def _tuple(within: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    if within[1:] == (Ellipsis,):
        return tuple(value_of(within[0], each) for each in value)
    return tuple(value_of(each, one) for each, one in zip(within, value, strict=True))


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        try:
            return value_of(kind, value)
        except (TypeError, ValueError, KeyError):
            continue
    raise TypeError(f"{value!r} is of no type that is known here")


def _plain_value(kind: Any, value: Any) -> Any:
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        given = {each.name: value_of(hints[each.name], value[each.name]) for each in fields(kind) if each.name in value}
        if unknown := set(value) - set(given):
            raise TypeError(f"unknown field {min(unknown)}")
        return cast(Any, kind)(**given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is date:
        return date.fromisoformat(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is no {getattr(kind, '__name__', kind)}")
    return value


def copied(result: Result) -> Result:
    """The result as it comes back from its text, so that a resumed run reports the same as one that never stopped."""
    try:
        return thaw(freeze(result))
    except (TypeError, ValueError, KeyError) as error:
        raise DbauditError(f"a result cannot be kept: {error}", "please report this as a bug of dbaudit") from error
