"""An SQL expression with every bracket that its precedence needs and no other; None where its form is not known.

Only what servers print for CHECKs, generated columns, defaults and, with `_select`, views. It never guesses: what it
cannot read to the last token is left to the caller, which then keeps the text as it is. The result is SQL that every
server takes.
"""

from __future__ import annotations

import re

from dbaudit.schema.text import IDENTIFIER, STRING, balanced, split

_TOKEN = re.compile(
    rf"\s*(?:(?P<string>{STRING}|\\'(?:[^'\\]|''|\\[^'])*\\')|(?P<name>{IDENTIFIER})"
    r"|(?P<number>0x[0-9a-f]+|(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)(?![\w.])|(?P<word>[A-Za-z_]\w*)"
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
_FUNCTIONS = {
    "lcase": "lower", "ucase": "upper", "octet_length": "length", "character_length": "char_length",
    "now": "current_timestamp", "localtimestamp": "current_timestamp", "current_date": "curdate",
    "current_time": "curtime",
}  # fmt: skip
_CONSTANTS = {"true": "1", "false": "0"}
_STOPS = {
    "and", "or", "xor", "then", "when", "else", "end", "as", "from", "using", "between", "in", "is", "where", "group",
    "having", "order", "limit", "union", "on", "join", "left", "right", "inner", "cross", "straight_join", "separator",
    "escape", "asc", "desc", "except", "intersect", "procedure", "into", "window",
}  # fmt: skip
# Words that are also functions: `left(a,2)`.
_BOTH = {"left", "right"}
# What makes of its operands true, false or unknown.
_TRUTHS = {"=", "<=>", ">=", ">", "<=", "<", "<>", "like", "regexp", "is", "in", "between", "and", "or", "xor"}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
QUERY = re.compile(r"\(*(?:select|with) ")
_UTF8 = re.compile(r"^utf8mb3(?=_|$)")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CHARSETS = re.compile(r"_(?:utf8|utf8mb3|utf8mb4|latin1|ascii|binary)$")


class Unknown(Exception):
    """The text has a form that is not read here."""


def bracketed(text: str) -> str | None:
    """The expression in its one form, without brackets around the whole."""
    try:
        return Reader(text).whole()
    except (Unknown, RecursionError):
        return None


class Reader:
    """Reads tokens from left to right, tighter operators first."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        place, text = 0, text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise Unknown
            kind = match.lastgroup or ""
            value = match[kind]
            if value[:2] == "\\'":
                value = f"'{value[2:-2]}'"
            place = match.end()
            if kind == "word" and _CHARSETS.match(value.lower()) and text[place : place + 1] in ("'", "\\"):
                continue  # an introducer
            if kind == "string":
                value = _ESCAPED.sub(lambda found: "''" if found[0] == "\\'" else found[0], value)
            value = value.lower() if kind in ("word", "mark", "number") else value
            self._tokens.append((kind, _UTF8.sub("utf8", value) if kind == "word" else value))

    def whole(self) -> str:
        """The whole text; raises Unknown where something is left."""
        text = self._expression(0)
        if self._at != len(self._tokens):
            raise Unknown
        return bare(text)

    def _peek(self, ahead: int = 0) -> str:
        """The next word or mark; '' at the end and before values."""
        place = self._at + ahead
        if place < len(self._tokens) and self._tokens[place][0] in ("word", "mark"):
            return self._tokens[place][1]
        return ""

    def _take(self, *wanted: str) -> str:
        if self._at >= len(self._tokens) or (wanted and self._peek() not in wanted):
            raise Unknown
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
                left = self._binary(left, _ONE.get(word, word), _BINARY[word])
            else:
                return left
            if negated:
                left = opposite(left)

    def _binary(self, left: str, word: str, tightness: int) -> str:
        """The operator has been taken; `> any (select ...)` has a word before its list."""
        if self._peek() in ("any", "all", "some") and self._peek(1) == "(":
            return f"({left} {word} {self._take()} ({self._list()}))"
        right = self._expression(tightness + 1)
        if word == "like" and self._peek() == "escape":
            right += f" {self._take()} {self._take()}"
        return _join(left, word, right)

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
        return ",".join(self._items())

    def _items(self) -> list[str]:
        """The expressions between brackets."""
        self._take("(")
        items = []
        while self._peek() != ")":
            items.append(self._item())
            if self._peek() == ",":
                self._take(",")
        self._take(")")
        return items

    def _item(self) -> str:
        """An argument of a function with the words that some take: `distinct`, `from`, `using`, `order by`."""
        words = [self._take()] if self._peek() in ("distinct", "leading", "trailing", "both") else []
        words.append(bare(self._expression(0)))
        while self._peek() in ("from", "using", "separator", "asc", "desc"):
            word = self._take()
            if word in ("asc", "desc"):
                words += [word] if word == "desc" else []
            else:
                words += [word, bare(self._expression(0))]
        if self._peek() == "order" and self._peek(1) == "by":
            words += [self._take(), self._take(), bare(self._expression(0))]
            words += [word for word in [self._take()] if word == "desc"] if self._peek() in ("asc", "desc") else []
            words += [self._take(), self._take()] if self._peek() == "separator" else []
        return " ".join(words)

    def _unary(self) -> str:
        word = self._peek()
        if word in ("not", "!"):
            self._take()
            return opposite(self._expression(_NOT if word == "not" else _SIGN))
        if word in ("-", "~"):
            self._take()
            return f"{word}{self._expression(_SIGN)}"
        if word == "(":
            return self._bracket()
        if word == "interval" and self._peek(1) != "(":
            return f"{self._take()} {self._expression(_SIGN)} {self._take()}"
        return self._case() if word == "case" else self._value()

    def _bracket(self) -> str:
        """A bracket, which is none of its own any more; several values in it are a row."""
        items = self._items()
        if len(items) > 1:
            return f"row({','.join(items)})"
        if not items:
            raise Unknown
        return f"({items[0]})" if QUERY.match(items[0]) or len(_operands(items[0])) > 1 else items[0]

    def _case(self) -> str:
        words = [self._take("case")]
        while self._peek() != "end":
            words.append(self._take() if self._peek() in ("when", "then", "else") else self._expression(0))
        return "(" + " ".join([*words, self._take("end")]) + ")"

    def _value(self) -> str:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("mark", "")
        if kind == "mark" or (kind == "word" and text in _STOPS and not (text in _BOTH and self._peek(1) == "(")):
            raise Unknown
        self._at += 1
        text = _CONSTANTS.get(text, text) if kind == "word" else text
        if kind == "word" and self._peek() == "(":
            return self._cast(text) if text in ("cast", "convert") else self._call(_FUNCTIONS.get(text, text))
        if kind == "word" and text in ("date", "time", "timestamp", "x", "b", "n") and self._kind() == "string":
            return text + self._take()
        while kind == "name" and self._peek() == ".":
            self._take(".")
            text += "." + self._take()
        return self._call(text) if kind == "name" and self._peek() == "(" else text

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _call(self, function: str) -> str:
        items = self._items()
        if function == "isnull" and len(items) == 1:
            return f"({_grouped(items[0])} is null)"
        if function == "regexp_like" and len(items) == 2:
            return f"({_grouped(items[0])} regexp {_grouped(items[1])})"
        if function == "exists" and len(items) == 1:
            items = [items[0].removesuffix(" limit 1")]  # MariaDB's own
        return f"{function}({','.join(items)})"

    def _cast(self, function: str) -> str:
        self._take("(")
        inside = bare(self._expression(0))
        words = [self._take("as", "using", ",")]
        depth = 0
        while depth or self._peek() != ")":
            words.append(self._take())
            depth += {"(": 1, ")": -1}.get(words[-1], 0)
        self._take(")")
        return f"{function}({inside} {' '.join(words)})"


def truth(text: str) -> str:
    """The expression where true or false is wanted: a number is compared with 0, as MySQL 8 and MariaDB print it."""
    return text if _says_truth(text) else f"({text} <> 0)"


def opposite(text: str) -> str:
    """NOT of the expression."""
    if not _says_truth(text):
        return f"({text} = 0)"
    parts = _operands(bare(text))
    if len(parts) == 3 and parts[1] in _OPPOSITE:
        return f"({parts[0]} {_OPPOSITE[parts[1]]} {parts[2]})"
    if parts[1:3] == ["is", "null"] and len(parts) == 3:
        return f"({parts[0]} is not null)"
    return f"(not {text})"


def _says_truth(text: str) -> bool:
    if text.startswith("exists(") and balanced(text, 6) == len(text):
        return True
    if QUERY.match(bare(text)):
        return False
    parts = _operands(bare(text))
    return parts[0] == "not" or (len(parts) > 2 and parts[0] != "case" and not _TRUTHS.isdisjoint(parts[1:2]))


def _join(left: str, word: str, right: str) -> str:
    """A binary expression in brackets; chains of AND and of OR are one list."""
    if word in ("=", "<>", "<=>") and left == "0":
        left, right = right, left  # MySQL prints `0 <> a` for a number that is used as a truth
    if word in ("and", "or"):
        return f"({_chain(left, word)} {word} {_chain(right, word)})"
    if word == "xor":
        return f"({truth(left)} xor {truth(right)})"
    if word == "=" and left.startswith("row(") and right.startswith("row("):
        pairs = list(zip(split(left[4:-1]), split(right[4:-1]), strict=False))
        return "(" + " and ".join(f"({one} = {two})" for one, two in pairs) + ")"
    return f"({left} {word} {right})"


def _chain(text: str, word: str) -> str:
    """The operands of a chain of the same word without the brackets of the chain."""
    text = truth(text)
    parts = _operands(bare(text)) if text.startswith("(") else []
    return bare(text) if len(parts) > 1 and parts[1] == word else text


def _grouped(text: str) -> str:
    """An argument as an operand: in brackets where it is more than one word."""
    return f"({text})" if len(_operands(text)) > 1 else text


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


def bare(text: str) -> str:
    """Without the brackets around the whole; a query keeps its own."""
    while text.startswith("(") and balanced(text, 0) == len(text) and not QUERY.match(text, 1):
        text = text[1:-1]
    return text
