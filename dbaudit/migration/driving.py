"""Questions to an Alembic project, asked of the driver that the tool's own Python runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbaudit.migration import alembic_driver
from dbaudit.migration.tool import Place, Tool, refusal

_DRIVER = Path(alembic_driver.__file__)
_NOTHING: dict[str, Any] = {
    "ini": None, "location": None, "section": "", "package": None, "path": None, "url": None, "revision": None
}  # fmt: skip


class Driver:
    """Asks with a file and is answered with one; both are in `directory`, which must be private to us.

    `python` is the command of the interpreter, `project` says which project it is, in the driver's words.
    """

    def __init__(self, tool: Tool, directory: Path, python: Sequence[str], **project: str | None) -> None:
        self._tool = tool
        self._python = list(python)
        self._project = project
        self._request = directory / "alembic.json"
        self._answer = directory / "alembic.answer.json"
        self._output = directory / "probe.log"

    def ask(self, action: str, place: Place, secrets: Sequence[str]) -> tuple[dict[str, Any], str]:
        """The driver's answer, empty where there is none, and what was printed instead."""
        try:
            ended = self._tool.ask(lambda place: self.command(action, place), place, self._output)
            found = json.loads(self._answer.read_text()) if ended.code == 0 and self._answer.exists() else {}
        finally:
            self.forget()
        return found, refusal(ended, self._output, secrets)

    def command(self, action: str, place: Place, revision: str | None = None) -> list[str]:
        """The command of one request, whose file is written; `forget` it afterwards, a password is in it."""
        self.forget()
        self._request.touch(mode=0o600)
        self._request.write_text(
            json.dumps({**_NOTHING, **self._project, "action": action, "url": place.url, "revision": revision})
        )
        return [*self._python, str(_DRIVER), str(self._request), str(self._answer)]

    def forget(self) -> None:
        """Take the files away."""
        self._request.unlink(missing_ok=True)
        self._answer.unlink(missing_ok=True)
