"""Which lines of a tool's output say what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbaudit.migration.complaint import complaint, last_line

OSLO = "2026-11-21 03:20:14.759 4 ERROR keystone "


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("", 3, "exit code 3, and no output"),
        ("\n\n", -9, "killed by signal 9, and no output"),
        ("one\ntwo\nthree\nfour\n\n", 1, "two\nthree\nfour"),
        ("Traceback\n  File x\nKeyError: 'a'\n", 1, "KeyError: 'a'"),
        ("error: no such option: --x\nsee --help\n", 2, "error: no such option: --x"),
        (
            f'{OSLO}Traceback (most recent call last):\n{OSLO}  File "x", line 1\n'
            f"{OSLO}sqlalchemy.exc.ProgrammingError: (pymysql.err.ProgrammingError) (1146, \"Table 'a.b'\")\n"
            f"{OSLO}[SQL: CREATE INDEX i ON b (c)]\n{OSLO}(Background on this error at: https://x)\n{OSLO}\n",
            1,
            "sqlalchemy.exc.ProgrammingError: (pymysql.err.ProgrammingError) (1146, \"Table 'a.b'\")\n"
            "[SQL: CREATE INDEX i ON b (c)]",
        ),
        (
            "2026-11-21 03:00:36.958 8429 CRITICAL keystone [-] Unhandled error: alembic.util.exc.CommandError: "
            "Can't locate revision identified by 'x'\n",
            1,
            "alembic.util.exc.CommandError: Can't locate revision identified by 'x'",
        ),
        (
            '2013-10-17 12:00:00.123 77 TRACE cinder OperationalError: (OperationalError) (1060, "Duplicate")\n',
            1,
            'OperationalError: (OperationalError) (1060, "Duplicate")',
        ),
        (f"RuntimeError: {'x' * 5000}\n", 1, f"RuntimeError: {'x' * 286}..."),
    ],
)
def test_the_telling_lines(tmp_path: Path, output: str, code: int, expected: str) -> None:
    path = tmp_path / "out"
    path.write_text(output)
    assert complaint(path, code) == expected


def test_only_the_end_of_a_large_output_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"\xff\xfe RuntimeError: early\n" + b"x" * (1 << 20) + b"\nOSError: late\n")
    assert complaint(path, 1) == "OSError: late"
    assert last_line(path) == "OSError: late"
