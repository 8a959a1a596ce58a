"""Draw how far long work is, on standard error: bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dbaudit import progress


class _Amount(ProgressColumn):
    """Bytes as bytes, all else as a plain count."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes, self._count = DownloadColumn(), MofNCompleteColumn()

    def render(self, task: Task) -> Text:
        return (self._bytes if task.fields.get("unit") == "bytes" else self._count).render(task)


@contextmanager
def drawn(*, quiet: bool = False) -> Iterator[progress.Watch]:
    """A watch that draws one bar a stage while the block runs; silent where standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield progress.silent
        return
    what, detail = TextColumn("{task.description:<9}"), TextColumn("{task.fields[detail]}")
    columns = (what, BarColumn(), _Amount(), TimeRemainingColumn(), detail)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(sign: progress.Progress) -> None:
            if sign.stage not in tasks:
                tasks[sign.stage] = bars.add_task(sign.stage, total=sign.total, unit=sign.unit, detail="")
            bars.update(tasks[sign.stage], completed=sign.done, total=sign.total, unit=sign.unit, detail=sign.detail)

        yield watch
