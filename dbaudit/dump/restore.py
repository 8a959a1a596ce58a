"""Loads a dump into a throwaway server, in parallel, and proves that every row arrived.

The dump's own statements are sent, by an account that may touch the restored schemas only. DDL runs in the order of
the dump on one connection; rows go to several; every other statement waits until the rows before it are in. It needs
no client program.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dbaudit.dump import inserts, shims
from dbaudit.dump.entries import DatabaseEntry, DumpIndex, TableEntry, require_complete
from dbaudit.dump.filter import LONGEST, Filter, Refused, excerpt, reason_to_refuse
from dbaudit.dump.index import read_counts
from dbaudit.dump.loader import Connection, Loader, LoadError, Task
from dbaudit.dump.source import CHUNK, DamagedArchive
from dbaudit.dump.statements import Comment, Depth, Kind, Reader, Statement
from dbaudit.dump.tokens import IDENT, SANDBOX, bare_name, text, unwrap
from dbaudit.errors import DbauditError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.server.server import Account, Server, quoted

__all__ = ["Filter", "Refused", "Restored", "restore"]
