"""Sends the statements of a dump to a server, each by the right way.

DDL runs in the order of the dump on one connection; rows go to several; settings go to all in their turn; every other
statement waits until the rows before it are in, so that what the server sees is what a client would have sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dbaudit.dump import inserts, shims
from dbaudit.dump.entries import DumpIndex
from dbaudit.dump.filter import LONGEST, Filter, Refused, excerpt, reason_to_refuse
from dbaudit.dump.loader import Loader, LoadError, Task
from dbaudit.dump.source import DamagedArchive
from dbaudit.dump.statements import Comment, Depth, Kind, Reader, Statement
from dbaudit.dump.tokens import IDENT, SANDBOX, bare_name, text, unwrap
from dbaudit.errors import DbauditError
from dbaudit.progress import Progress, Watch

# The server's error numbers for a lack of rights, or for what its start options forbid.
_FORBIDDEN = frozenset({
    1044, 1045, 1142, 1143, 1227, 1290, 1370, 1148, 3948, 1289, 1286, 1396, 1410, 1419, 1470, 4166, 4007,
    1133, 1131, 1698,
})  # fmt: skip
# A setting of another version or vendor: unknown, read-only, or put back from a variable that was never set.
_UNKNOWN_SETTING = frozenset({1193, 1231, 1238, 1115, 1273})
_TABLE = re.compile(
    rb"(CREATE|DROP)\s+(?:OR\s+REPLACE\s+)?(?:TABLE|VIEW)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
    rb"(?:(" + IDENT + rb")\s*\.\s*)?(" + IDENT + rb")(?=\s|\(|\Z)",
    re.I,
)
_SCHEMA = re.compile(rb"(CREATE|DROP)\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(" + IDENT + rb")", re.I)
_USE = re.compile(rb"USE\s+(" + IDENT + rb")", re.I)
_UNKNOWN = "settings that the server does not know were left out"
_SANDBOXED = "the client's sandbox line was left out"
_PREPARED = "databases were created by dbaudit, empty"


class Sending:
    """One run through a dump. Afterwards `refused`, `rewritten` and `left_out` say what was not sent as it stands."""

    def __init__(self, index: DumpIndex, loader: Loader, target: shims.Target, filter: Filter, watch: Watch) -> None:
        self._index, self._loader, self._target, self._filter, self._watch = index, loader, target, filter, watch
        self.refused: list[Refused] = []
        self._applied: dict[str, None] = {}
        self._left_out: set[tuple[str | None, str]] = set()
        self._tables: set[tuple[str | None, str]] = set()  # created so far
        self._foreign = {entry.name for entry in index.databases if entry.name} - set(target.schemas)
        self._database: str | None = None
        self._skipping = False

    @property
    def rewritten(self) -> tuple[str, ...]:
        """What was changed or left out, one sentence each."""
        return tuple(self._applied)

    @property
    def left_out(self) -> frozenset[tuple[str | None, str]]:
        """Tables (database, name) that were refused."""
        return frozenset(self._left_out)

    def run(self) -> None:
        """Send everything. Raises LoadError when the server refuses a statement, DbauditError for a bad file."""
        first = self._index.databases[0].name if self._index.databases else None
        self._skipping = self._target.schema(first) is None  # until the dump says USE
        if not self._skipping:
            self._enter(first, 0)
        for part, start in zip(self._index.dump.parts, self._index.starts, strict=True):
            if part.database is not None:
                self._enter(part.database, start)
            try:
                with part.open() as stream:
                    for item in Reader(stream, Depth.TEXT, start, part.delimiter).read():
                        self._take(item)
            except DamagedArchive as error:
                raise DbauditError(f"{self._index.dump.name}: {error}") from None
            self._loader.wait()
        self._told(self._index.size)

    def _take(self, item: Statement | Comment) -> None:
        if isinstance(item, Comment):
            if SANDBOX.match(item.text):
                self._applied[_SANDBOXED] = None
        elif item.kind is Kind.CLIENT:
            self._client(item)
        elif item.kind is Kind.DATA:
            self._rows(item)
        else:
            self._other(item)

    def _told(self, done: int) -> None:
        self._watch(Progress("restore", done, self._index.size, detail=self._database or ""))

    # databases

    def _enter(self, name: str | None, offset: int) -> None:
        """Statements that follow are for this database of the dump."""
        schema = self._target.schema(name)
        if schema is None and self._filter is Filter.OFF and name is not None:
            sql = b"USE " + _quoted(name)
            self._skipping = not self._try(lambda: self._loader.everywhere(Task(sql, offset)), sql, offset)
            return
        self._skipping = schema is None
        if schema is None:
            self._refuse(f"USE `{name}`".encode(), offset, f"the database {name} is not being restored")
            return
        self._database = name
        self._loader.everywhere(Task(b"USE " + _quoted(schema), offset))

    def _schema(self, item: Statement, sql: bytes, match: re.Match[bytes]) -> None:
        """CREATE or DROP DATABASE: ours are prepared, others are refused."""
        name = bare_name(match[2])
        if name in self._target.schemas:
            self._applied[_PREPARED] = None
        elif self._filter is Filter.ON:
            self._refuse(sql, item.start, f"the database {name} is not being restored")
        else:
            self._run(item, sql, "")

    # rows

    def _rows(self, item: Statement) -> None:
        head = inserts.HEAD.match(item.text)
        if self._skipping or head is None:
            if head is None:
                self._other(item)
            return
        if not item.whole:
            raise DbauditError(f"{self._index.dump.name}: the INSERT at byte {item.start} is too long for any server")
        sql, database, table = item.text, self._database, bare_name(head[2])
        if head[1]:
            database = bare_name(head[1])
            schema = self._target.schema(database)
            if schema is not None:
                sql = sql[: head.start(1)] + _quoted(schema) + sql[head.end(1) :]
        if (database, table) in self._left_out:
            return
        if (head[1] and self._target.schema(database) is None) or not inserts.VALUES.match(item.text, head.end()):
            self._in_order(item, sql, table)
            return
        self._loader.rows(Task(sql, item.start, table, len(sql)))
        self._told(self._loader.done)

    def _in_order(self, item: Statement, sql: bytes, table: str) -> None:
        """Rows that depend on others (INSERT ... SELECT), or that go elsewhere."""
        reason = reason_to_refuse(unwrap(sql[:LONGEST]), self._foreign) if self._filter is Filter.ON else None
        if reason:
            self._refuse(sql, item.start, reason)
            return
        self._loader.wait()
        self._run(item, sql, table)

    # all else

    def _client(self, item: Statement) -> None:
        if self._filter is Filter.ON:
            self._refuse(item.text, item.start, "is a command to the mysql client, not to the server")
        else:
            self._run(item, item.text, "")

    def _other(self, item: Statement) -> None:
        sql = unwrap(item.text) if len(item.text) <= LONGEST else item.text
        if match := _USE.match(sql):
            self._enter(bare_name(match[1]), item.start)
        elif match := _SCHEMA.match(sql):
            self._schema(item, sql, match)
        elif self._skipping or not sql:
            return
        elif sentence := shims.left_out(sql):
            self._applied[sentence] = None
        elif self._allowed(item, sql):
            self._send(item, sql)

    def _allowed(self, item: Statement, sql: bytes) -> bool:
        if self._filter is Filter.OFF:
            return True
        reason = reason_to_refuse(sql, self._foreign) if len(sql) <= LONGEST else "is longer than any definition"
        if reason:
            self._refuse(sql, item.start, reason)
            if match := _TABLE.match(sql):
                self._left_out.add((self._database, bare_name(match[3])))
        return reason is None

    def _send(self, item: Statement, sql: bytes) -> None:
        changed = shims.apply(item.text, self._target, self._applied)
        match = _TABLE.match(sql)
        if sql[:4].upper().strip() == b"SET":
            self._set(item, changed)
            return
        key = (self._database, bare_name(match[3])) if match else None
        if key is None or key in self._tables:
            self._loader.wait()
        if self._run(item, changed, key[1] if key else "") and key and match:
            (self._tables.add if match[1].upper() == b"CREATE" else self._tables.discard)(key)
        elif key and match and match[1].upper() == b"CREATE":
            self._left_out.add(key)

    def _set(self, item: Statement, sql: bytes) -> None:
        try:
            self._try(lambda: self._loader.everywhere(Task(sql, item.start)), sql, item.start)
        except LoadError as error:
            if error.code not in _UNKNOWN_SETTING:
                raise
            self._applied[_UNKNOWN] = None

    def _run(self, item: Statement, sql: bytes, table: str) -> bool:
        task = Task(sql, item.start, table)
        return self._try(lambda: self._loader.run(task), sql, item.start)

    def _try(self, send: Callable[[], object], sql: bytes, offset: int) -> bool:
        """Send; what the account may not do is listed, not fatal."""
        try:
            send()
        except LoadError as error:
            if error.code not in _FORBIDDEN:
                raise
            self._refuse(sql, offset, f"the server refused it: {text(str(error.error.args[-1]).encode())}")
            return False
        return True

    def _refuse(self, sql: bytes, offset: int, reason: str) -> None:
        self.refused.append(Refused(offset, excerpt(sql), reason))


def _quoted(name: str) -> bytes:
    return b"`" + name.replace("`", "``").encode("utf-8", "surrogateescape") + b"`"
