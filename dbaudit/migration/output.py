"""What a step prints: a file of its own, cut where it is too long, without passwords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbaudit.migration.runner import RunStep

# Bytes kept of what one step printed, half from its beginning and half from its end: a tool that prints a line a row
# would fill the disk with what nobody reads.
OUTPUT_KEPT = 2 << 20
# Bytes before the cut in which a line's end is looked for, so that no password is cut in two and then not known.
_LINE = 64 << 10
_CUT = re.compile(rb"\n\n\[dbaudit: ([\d,]+) bytes were cut here\]\n\n")


def output_file(directory: Path, step: RunStep) -> Path:
    """Where the output of a step is kept: a new file in `directory` (0600), numbered, so that a retry has its own."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in str(step.step))
    number = 1
    while True:
        path = directory / (f"{name}.log" if number == 1 else f"{name}.{number}.log")
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def masked(text: str, secrets: Sequence[str]) -> str:
    """The text without the passwords."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def mask_file(path: Path, secrets: Sequence[str]) -> None:
    """Take the passwords out of a file, where one is in it; line by line, since output can be large."""
    wanted = [secret.encode() for secret in secrets if secret]
    with path.open("rb") as source:
        if not any(secret in line for line in source for secret in wanted):
            return
    clean = path.with_suffix(".masked")
    with path.open("rb") as source, clean.open("wb") as sink:
        clean.chmod(0o600)
        for line in source:
            for secret in wanted:
                line = line.replace(secret, b"***")
            sink.write(line)
    clean.replace(path)


def cut_output(path: Path, most: int = OUTPUT_KEPT) -> int:
    """Keep the beginning and the end of a file that is too long; bytes that were cut, in all; 0 where it fits.

    Who still writes to it must append: what he writes in this very moment may be among what is cut.
    """
    size, half = path.stat().st_size, most // 2
    if size <= most + _LINE:
        return 0
    with path.open("r+b") as file:
        head = file.read(half + 100)
        last = _CUT.search(head)
        place = last.start() if last else head.rfind(b"\n", max(0, half - _LINE), half) + 1 or half
        file.seek(size - half)
        tail = file.read()
        tail = tail[tail.find(b"\n", 0, _LINE) + 1 :]
        cut = size - place - len(tail)
        if last:
            cut += int(last[1].replace(b",", b"")) - len(last[0])
        file.seek(place)
        file.write(f"\n\n[dbaudit: {cut:,} bytes were cut here]\n\n".encode())
        file.write(tail)
        file.truncate()
    return cut
