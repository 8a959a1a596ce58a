"""The storage engines and column types that servers have. What is not listed is read and compared all the same."""

from __future__ import annotations

import re

from dbaudit.errors import UsageError

ENGINES = frozenset(
    "innodb xtradb myisam mrg_myisam merge memory heap archive csv blackhole federated federatedx aria sequence spider "
    "connect mroonga rocksdb tokudb columnstore s3 oqgraph sphinx cassandra ndb ndbcluster example performance_schema "
    "berkeleydb bdb isam falcon maria".split()
)
_TYPES = frozenset(
    "bit tinyint smallint mediumint int integer bigint decimal numeric float double real bool boolean date datetime "
    "timestamp time year char varchar binary varbinary tinyblob blob mediumblob longblob tinytext text mediumtext "
    "longtext enum set json geometry point linestring polygon multipoint multilinestring multipolygon "
    "geometrycollection geomcollection inet4 inet6 uuid vector xmltype".split()
)
CHARSETS = frozenset(
    "armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 "
    "gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 "
    "ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4".split()
)
_WORD = re.compile(r"\w+")


def known_charset(name: str) -> str:
    """The charset in lower case. Raises UsageError, naming the choices, where no server has it."""
    if name.lower() not in CHARSETS:
        raise UsageError(f"there is no charset {name}", f"servers have: {', '.join(sorted(CHARSETS))}")
    return name.lower()


def type_is_known(type_: str) -> bool:
    """Whether a server has a type of that name."""
    word = _WORD.match(type_)
    return word is not None and word[0].lower() in _TYPES
