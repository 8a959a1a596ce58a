"""What a server's error means for a run: the connection is gone, try again, not allowed, read-only.

Numbers are those of MySQL and MariaDB; PyMySQL reports losses on the client's side by numbers from 2000 on, and 0 for
a connection that was closed under it.
"""

from __future__ import annotations

import pymysql

from dbaudit.errors import DbauditError

# Client: cannot connect, gone away, lost during query; server: shutdown, killed (MySQL, MariaDB), aborted, idle, and
# too many connections, as after a restart when every service comes back at once.
_LOST = {0, 2002, 2003, 2006, 2013, 2014, 2055, 1053, 1152, 1184, 1927, 3169, 4031, 1040, 1203, 1226}
# Lock wait timeout, deadlock (a lost Galera certification too), row changed under a snapshot, Galera not ready, a
# statement that was killed or took too long.
_CONFLICT = {1205, 1213, 1020, 1047, 1317, 1969, 3024}
# Access denied to a schema, table, column, or for want of a global privilege.
_DENIED = {1044, 1142, 1143, 1227, 1370, 1045}
# --read-only, --super-read-only and innodb_read_only; a Galera node that lost its cluster says 1047.
_READ_ONLY = {1290, 1836, 1874}


def number_of(error: BaseException) -> int:
    """The server's or client's error number; -1 where there is none."""
    return int(error.args[0]) if error.args and isinstance(error.args[0], int) else -1


def text_of(error: BaseException) -> str:
    """What the server said."""
    return str(error.args[-1]) if error.args else repr(error)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone; a COMMIT that ends so may have happened or not."""
    if isinstance(error, pymysql.InterfaceError | ConnectionError | BrokenPipeError | TimeoutError):
        return True
    return isinstance(error, pymysql.MySQLError) and number_of(error) in _LOST


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the same chunk may go through later."""
    return isinstance(error, pymysql.MySQLError) and number_of(error) in _CONFLICT


def is_too_big(error: BaseException) -> bool:
    """Whether a Galera node did not take a transaction for its size: 1105 for bytes, 1180 for rows."""
    said = text_of(error)
    return number_of(error) in (1105, 1180) and ("writeset size" in said or "wsrep_max_ws" in said)


def is_denied(error: BaseException) -> bool:
    """Whether the account may not do it."""
    return isinstance(error, pymysql.MySQLError) and number_of(error) in _DENIED


def is_read_only(error: BaseException) -> bool:
    """Whether the server takes no writes (any more): a replica, or a primary that was demoted."""
    return isinstance(error, pymysql.MySQLError) and number_of(error) in _READ_ONLY


def denied(error: BaseException, database: str, journal: str, account: str) -> DbauditError:
    """The error with the GRANTs that a repair needs."""
    return DbauditError(
        f"the account {account} may not do this: {text_of(error)}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON `{database}`.* TO {account}; "
        f"GRANT CREATE, SELECT, INSERT, UPDATE, DELETE, DROP ON `{journal}`.* TO {account}; "
        f"GRANT PROCESS, REPLICATION CLIENT ON *.* TO {account}",
    )
