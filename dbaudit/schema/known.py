"""The storage engines and column types that servers have. What is not listed is read and compared all the same."""

from __future__ import annotations

import re

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
_WORD = re.compile(r"\w+")


def type_is_known(type_: str) -> bool:
    """Whether a server has a type of that name."""
    word = _WORD.match(type_)
    return word is not None and word[0].lower() in _TYPES
