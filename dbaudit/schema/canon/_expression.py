"""An SQL expression with every bracket that its precedence needs and no other; None where its form is not known.

Only what servers print for CHECKs, generated columns and defaults. It never guesses: what it cannot read to the last
token is left to the caller, which then keeps the text as it is.
"""

from __future__ import annotations

import re

from dbaudit.schema.text import IDENTIFIER, STRING, balanced

_TOKEN = re.compile(
    rf"\s*(?:(?P<string>{STRING}|\\'(?:[^'\\]|''|\\[^'])*\\')|(?P<name>{IDENTIFIER})"
    r"|(?P<number>\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.])|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<mark><=>|->>|->|<=|>=|<>|!=|<<|>>|\|\||&&|[-+*/%^|&~!=<>(),.]))",
    re.IGNORECASE | re.DOTALL,
)
# From the loosest to the tightest; the number orders them.
_BINARY = {
    "or": 1, "||": 1, "xor": 2, "and": 3, "&&": 3,
    "=": 5, "<=>": 5, ">=": 5, ">": 5, "<=": 5, "<": 5, "<>": 5, "!=": 5, "like": 5, "regexp": 5, "rlike": 5,
    "|": 6, "&": 7, "<<": 8, ">>": 8, "-": 9, "+": 9, "*": 10, "/": 10, "div": 10, "%": 10, "mod": 10, "^": 11,
    "collate": 13, "->": 14, "->>": 14,
}  # fmt: skip
_NOT, _COMPARE, _SIGN = 4, 5, 12
_ONE = {"||": "or", "&&": "and", "!=": "<>", "rlike": "regexp", "mod": "%"}
# The same function under the names that MySQL and MariaDB print.
_FUNCTIONS = {"lcase": "lower", "ucase": "upper", "octet_length": "length", "character_length": "char_length"}
_CONSTANTS = {"true": "1", "false": "0"}
_STOPS = {"and", "or", "xor", "then", "when", "else", "end", "as", "from", "using", "between", "in", "is"}


class _Unknown(Exception):
    """The text has a form that is not read here."""


def bracketed(text: str) -> str | None:
    """The expression in its one form, without brackets around the whole."""
    try:
        return _Reader(text).whole()
    except (_Unknown, RecursionError):
        return None


class _Reader:
    """Reads tokens from left to right, tighter operators first."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        place, text = 0, text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _Unknown
            kind = match.lastgroup or ""
            value = match[kind]
            if value[:2] == "\\'":
                value = f"'{value[2:-2]}'"
            self._tokens.append((kind, value.lower() if kind in ("word", "mark", "number") else value))
            place = match.end()

    def whole(self) -> str:
        """The whole text; raises _Unknown where something is left."""
        text = self._expression(0)
        if self._at != len(self._tokens):
            raise _Unknown
        return _bare(text)

    def _peek(self, ahead: int = 0) -> str:
        """The next word or mark; '' at the end and before values."""
        place = self._at + ahead
        if place < len(self._tokens) and self._tokens[place][0] in ("word", "mark"):
            return self._tokens[place][1]
        return ""

    def _take(self, *wanted: str) -> str:
        if self._at >= len(self._tokens) or (wanted and self._peek() not in wanted):
            raise _Unknown
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _expression(self, least: int) -> str:
        left = self._unary()
        while True:
            word = self._peek()
            negated = word == "not" and self._peek(1) in ("like", "in", "between", "regexp", "rlike")
            word = self._peek(1) if negated else word
            if word in ("is", "in", "between") and least <= _COMPARE:
                self._at += negated
                left = self._suffix(left, word)
            elif word in _BINARY and _BINARY[word] >= least:
                self._at += 1 + negated
                left = _join(left, _ONE.get(word, word), self._expression(_BINARY[word] + 1))
            else:
                return left
            if negated:
                left = f"(not {left})"

    def _suffix(self, left: str, word: str) -> str:
        self._take(word)
        if word == "is":
            words = [self._take("not")] if self._peek() == "not" else []
            return f"({left} is {' '.join([*words, self._take('null', 'true', 'false', 'unknown')])})"
        if word == "in":
            return f"({left} in ({self._list()}))"
        low = self._expression(_COMPARE + 1)
        self._take("and")
        return f"({left} between {low} and {self._expression(_COMPARE + 1)})"

    def _list(self) -> str:
        self._take("(")
        items = []
        while self._peek() != ")":
            items.append(_bare(self._expression(0)))
            if self._peek() == ",":
                self._take(",")
        self._take(")")
        return ",".join(items)

    def _unary(self) -> str:
        word = self._peek()
        if word in ("not", "!"):
            self._take()
            return f"(not {self._expression(_NOT if word == 'not' else _SIGN)})"
        if word in ("-", "~"):
            self._take()
            return f"{word}{self._expression(_SIGN)}"
        if word == "(":
            self._take("(")
            inside = self._expression(0)
            self._take(")")
            return inside
        if word == "interval" and self._peek(1) != "(":
            return f"{self._take()} {self._expression(_SIGN)} {self._take()}"
        return self._case() if word == "case" else self._value()

    def _case(self) -> str:
        words = [self._take("case")]
        while self._peek() != "end":
            words.append(self._take() if self._peek() in ("when", "then", "else") else self._expression(0))
        return "(" + " ".join([*words, self._take("end")]) + ")"

    def _value(self) -> str:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("mark", "")
        if kind == "mark" or text in _STOPS:
            raise _Unknown
        self._at += 1
        text = _CONSTANTS.get(text, text) if kind == "word" else text
        if kind == "word" and self._peek() == "(":
            if text in ("cast", "convert"):
                return self._cast(text)
            return f"{_FUNCTIONS.get(text, text)}({self._list()})"
        while kind == "name" and self._peek() == ".":
            self._take(".")
            text += "." + self._take()
        return text

    def _cast(self, function: str) -> str:
        self._take("(")
        inside = _bare(self._expression(0))
        words = [self._take("as", "using", ",")]
        depth = 0
        while depth or self._peek() != ")":
            words.append(self._take())
            depth += {"(": 1, ")": -1}.get(words[-1], 0)
        self._take(")")
        return f"{function}({inside} {' '.join(words)})"


def _join(left: str, word: str, right: str) -> str:
    """A binary expression in brackets; chains of AND and of OR are one list. MySQL prints REGEXP as a function."""
    if word == "regexp":
        return f"regexp_like({_bare(left)},{_bare(right)})"
    if word in ("=", "<>", "<=>") and left.isdigit() and not right.isdigit():
        left, right = right, left  # MySQL prints `0 <> a` for a number that is used as a truth
    if word in ("and", "or"):
        return f"({_chain(left, word)} {word} {_chain(right, word)})"
    return f"({left} {word} {right})"


def _chain(text: str, word: str) -> str:
    """The operands of a chain of the same word without the brackets of the chain."""
    parts = _operands(_bare(text)) if text.startswith("(") else []
    return _bare(text) if len(parts) > 1 and parts[1] == word else text


def _operands(text: str) -> list[str]:
    """The parts of an expression between blanks outside of brackets and quotes."""
    parts, begin, depth = [], 0, 0
    for match in re.finditer(rf"{STRING}|{IDENTIFIER}|[() ]", text, re.DOTALL):
        mark = match.group()
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if mark == " " and depth == 0:
            parts.append(text[begin : match.start()])
            begin = match.end()
    return [*parts, text[begin:]]


def _bare(text: str) -> str:
    """Without the brackets around the whole."""
    while text.startswith("(") and balanced(text, 0) == len(text):
        text = text[1:-1]
    return text
