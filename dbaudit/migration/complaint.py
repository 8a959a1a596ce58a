"""What a tool says went wrong: the telling lines at the end of its output.

Tools of OpenStack end with a traceback of a hundred lines, each behind a date and a process id; the line that a
person needs is the last that names an exception, and the statement that belongs to it.
"""

from __future__ import annotations

import re
from pathlib import Path

# Bytes read from the end of the output: many times the longest traceback.
_TAIL = 256 << 10
# Characters of one line that are kept: an INSERT of a migration can have megabytes.
_WIDTH = 300
_LINES = 3
_OSLO = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+ (?:\d+ )?(?:CRITICAL|ERROR|TRACE|WARNING|INFO|DEBUG) \S+ ?"
    r"(?:\[(?:-|None|req-)[^]]*\] ?)?"
)
_EXCEPTION = re.compile(
    r"^(?:Unhandled error: ?)?[A-Za-z_][\w.]*(?:Error|Exception|Exists|NotFound|Exit|Invalid\w*)\b:? "
)
_PLAIN = re.compile(r"^(?:\w+: )?(?:ERROR|FATAL|CRITICAL|error|fatal)\b")
_STATEMENT = re.compile(r"^\[SQL: ")


def complaint(output: Path, code: int) -> str:
    """The lines of `output` that say why the tool ended with exit code `code`; never empty."""
    lines = [line for line in (_bare(each) for each in _tail(output)) if line]
    for pattern in (_EXCEPTION, _PLAIN):
        for place in range(len(lines) - 1, -1, -1):
            if pattern.match(lines[place]):
                return "\n".join(_short(each) for each in _with_statement(lines, place))
    said = "\n".join(_short(each) for each in lines[-_LINES:])
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return said or f"{how}, and no output"


def last_line(output: Path) -> str:
    """The last line that is not empty, for a tool that was asked a question; `nothing` where there is none."""
    lines = [line for line in (_bare(each) for each in _tail(output)) if line]
    return _short(lines[-1]) if lines else "nothing"


def _with_statement(lines: list[str], place: int) -> list[str]:
    statement = [line for line in lines[place + 1 : place + 4] if _STATEMENT.match(line)]
    return [lines[place].removeprefix("Unhandled error:").strip(), *statement[:1]]


def _tail(output: Path) -> list[str]:
    with output.open("rb") as stream:
        stream.seek(max(0, output.stat().st_size - _TAIL))
        return stream.read().decode("utf-8", "replace").splitlines()


def _bare(line: str) -> str:
    return _OSLO.sub("", line).strip()


def _short(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."
