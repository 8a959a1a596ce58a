"""What the comments and SET statements of a dump tell: who wrote it, from which server, and whether to the end."""

from __future__ import annotations

import re

from dbaudit.dump.tokens import text

_TOOL = re.compile(rb"--\s+(MySQL|MariaDB) dump\s+(?:[\d.]+-(\d[^\s,]*)|[\d.]+\s+(?:Distrib|Ver)\s+([^\s,]+))", re.I)
_SERVER = re.compile(rb"--\s+Server version[\s:]+(\S+)", re.I)
_HOST = re.compile(rb"--\s+Host:[^\n]*?Database:[ \t]+([^\r\n]+)", re.I)
_CURRENT = re.compile(rb"--\s+Current Database:\s+`((?:[^`]|``)+)`", re.I)
_DONE = re.compile(rb"--\s+Dump completed(?:\s+on\s+(\d{4}-\d\d-\d\d)\s+(\d\d?):(\d\d:\d\d))?", re.I)
_POSITION = re.compile(rb"--\s+Position to start replication|(?:--\s+)?CHANGE (?:MASTER|REPLICATION SOURCE) TO", re.I)
_NAMES = re.compile(rb"SET\s+NAMES\s+'?(\w+)", re.I)
_GTID = re.compile(rb"SET\s+(?:@@GLOBAL\.GTID_PURGED|GLOBAL\s+gtid_slave_pos)\s*=\s*(?:'\+'\s*)?'([^']*)'", re.I)
_KEPT = re.compile(rb"SET\s+@OLD_SQL_NOTES\s*=\s*@@", re.I)
_BACK = re.compile(rb"SET\s+SQL_NOTES\s*=\s*@OLD_SQL_NOTES\b", re.I)


class Header:
    """Gathers what the head and the foot of a dump say; feed it every comment and every SET in order."""

    def __init__(self) -> None:
        self.tool: str | None = None
        self.client: str | None = None
        self.server: str | None = None
        self.charset: str | None = None
        self.gtid: str | None = None
        self.host_database: str | None = None
        self.current: str | None = None
        self.at: str | None = None  # when it was written to its end, by the clock of the host that wrote it
        self.positioned = False  # it says its place in the binary log, so it was taken at one instant
        self._open = False  # a dump has begun whose writer would tell its end
        self._commented = False
        self._cut_before = False

    def comment(self, data: bytes) -> None:
        """A comment between statements."""
        if not data.startswith(b"--"):
            return
        if found := _TOOL.match(data):
            self._begin(True)
            self.tool = "mariadb-dump" if found[1].lower() == b"mariadb" else "mysqldump"
            self.client = text(found[2] or found[3])
        elif found := _SERVER.match(data):
            self.server = text(found[1])
        elif found := _HOST.match(data):
            self.host_database = text(found[1]).strip() or None
        elif found := _CURRENT.match(data):
            self.current = text(found[1]).replace("``", "`")
        elif found := _DONE.match(data):
            self._open = False
            self.at = f"{text(found[1])} {text(found[2]).zfill(2)}:{text(found[3])}" if found[1] else self.at
        elif _POSITION.match(data):
            self.positioned = True
        elif found := _GTID.search(data):
            self.gtid = text(found[1])

    def statement(self, sql: bytes) -> None:
        """A SET statement, unwrapped."""
        if (found := _NAMES.match(sql)) and self.charset is None:
            self.charset = text(found[1])
        elif found := _GTID.match(sql):
            self.gtid = "".join(text(found[1]).split())
        elif _KEPT.match(sql) and not self._open:
            self._begin(False)
        elif _BACK.match(sql) and not self._commented:
            # --skip-comments leaves no `-- Dump completed`; putting SQL_NOTES back is the last thing it writes.
            self._open = False

    def _begin(self, commented: bool) -> None:
        self._cut_before |= self._open
        self._open, self._commented = True, commented

    @property
    def defect(self) -> str:
        """Why the dump is not complete, empty when it is, as far as its writer tells."""
        if self._cut_before:
            return "a second dump begins in it before the first has ended"
        if not self._open:
            return ""
        if self._commented:
            return "the line `-- Dump completed` is missing"
        return "the statements that a dump ends with are missing"
