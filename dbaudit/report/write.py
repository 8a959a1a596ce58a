"""Send a result to where the user wants it, in the formats that he names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dbaudit.errors import DbauditError, UsageError
from dbaudit.report import json, text
from dbaudit.result import Result

FORMATS: Mapping[str, Callable[[Result], str]] = {"text": text.render, "json": json.render}


@dataclass(frozen=True, slots=True)
class Destination:
    """A format and the file that it goes to; None is standard output."""

    format: str
    path: Path | None = None


def destinations(formats: Sequence[str], output: Path | None) -> tuple[Destination, ...]:
    """`--format NAME[=FILE]`, repeated, and `-o FILE`, which is where the one format without a file goes."""
    found = tuple(_destination(each) for each in formats or ("text",))
    bare = [each for each in found if each.path is None]
    if len(bare) > 1:
        raise UsageError("two formats cannot share one output", f"name a file: --format {bare[1].format}=FILE")
    if output is None:
        return found
    if not bare:
        return (*found, Destination("text", output))
    return tuple(Destination(each.format, each.path or output) for each in found)


def _destination(spec: str) -> Destination:
    name, _, path = spec.partition("=")
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}", f"formats: {', '.join(FORMATS)}")
    return Destination(name, Path(path) if path else None)


class Form(Protocol):
    """A text report."""

    def __call__(self, result: Result, *, width: int | None = None, colour: bool = False) -> str:
        """The result as text."""


def write(
    result: Result, where: Sequence[Destination], *, width: int | None, colour: bool, form: Form = text.render
) -> None:
    """Write the result to each destination; colours and the terminal's width only for text on standard output.

    `form` is the text report of a command that has one of its own.
    """
    for each in where:
        if each.path is not None:
            _save(each.path, form(result) if each.format == "text" else FORMATS[each.format](result))
        elif each.format == "text":
            sys.stdout.write(form(result, width=width, colour=colour))
        else:
            sys.stdout.write(FORMATS[each.format](result))
    sys.stdout.flush()


def _save(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise DbauditError(f"cannot write {path}: {error.strerror}", "name another file with -o or --format") from None
