"""A connection as PyMySQL makes it, but for the machine's certificates: it would read them anew each time.

That takes 20 ms of processor or more, and is for nothing where none is checked.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any

from pymysql.connections import Connection


class Wire(Connection):
    """Where nothing is said about TLS it is offered and no certificate is checked, as PyMySQL does by default."""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        if not sslp:
            return _unchecked()
        made: ssl.SSLContext = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # private, so not in its stubs
        return made


@functools.cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
