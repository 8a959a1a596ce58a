"""What a MySQL option file says about how to connect: user, password, host, port, socket.

The groups [client] and [dbaudit] are read, the later one wins, as the servers' own clients do with theirs.
"""

from __future__ import annotations

from pathlib import Path

from dbaudit.errors import DbauditError

_GROUPS = ("client", "dbaudit")
_KEYS = {"user": "user", "password": "password", "host": "host", "port": "port", "socket": "unix_socket"}
_DEPTH = 10  # includes inside of includes


def read_option_file(path: Path, depth: int = 0) -> dict[str, str]:
    """Options by the names that drivers use. Raises DbauditError for a file that cannot be read."""
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise DbauditError(f"the option file {path} cannot be read: {error.strerror}") from None
    found: dict[str, str] = {}
    group = ""
    for line in map(str.strip, lines):
        if line.startswith("!include") and depth < _DEPTH:
            found.update(_included(path, line, depth))
        elif line.startswith("["):
            group = line.strip("[] ").lower()
        elif line and line[0] not in "#;" and group in _GROUPS:
            key, equals, value = line.partition("=")
            name = _KEYS.get(key.strip().replace("_", "-"))
            if name and equals:
                found[name] = _value(value.strip())
    return found


def _included(path: Path, line: str, depth: int) -> dict[str, str]:
    word, _, target = line.partition(" ")
    place = path.parent / target.strip()
    files = sorted(place.glob("*.cnf")) if word == "!includedir" else [place]
    found: dict[str, str] = {}
    for file in files:
        if file.is_file():
            found.update(read_option_file(file, depth + 1))
    return found


def _value(text: str) -> str:
    """A value without its quotes and escapes; a comment may follow one without quotes."""
    if len(text) > 1 and text[0] in "'\"" and text.endswith(text[0]):
        text = text[1:-1]
    else:
        text = text.partition(" #")[0].rstrip()
    for written, meant in (("\\s", " "), ("\\t", "\t"), ("\\n", "\n"), ("\\\\", "\\")):
        text = text.replace(written, meant)
    return text
