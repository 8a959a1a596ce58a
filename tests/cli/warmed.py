"""Imported by the process that forks command lines: what each of them would do at its start is done once, there.

A command that begins from nothing is `python -m dbaudit`, which tests of imports, signals and standard input start.
"""

from __future__ import annotations

import contextlib
import gc
import io
import signal
import tempfile
import threading
from pathlib import Path

from dbaudit.cli.app import run

SAMPLE = Path(__file__).resolve().parents[2] / "fixtures" / "dumps" / "cinder-grizzly.sql.gz"

WORDS = (
    ("checks", "list"), ("inspect", str(SAMPLE)), ("diff", "nova@havana", "nova@grizzly"),
    ("audit", str(SAMPLE), "--server", "private"),
)  # fmt: skip
handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for words in WORDS:
        run([*words])
for each, handler in handlers.items():
    signal.signal(each, handler)
tempfile.tempdir = None  # it is asked for anew, as the environment of the command says
assert threading.active_count() == 1  # a fork has one thread only
gc.collect()
gc.freeze()  # what is shared with the children stays where it is
