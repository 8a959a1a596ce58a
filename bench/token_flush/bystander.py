"""A service that uses the token table while it is purged: how long its statements take."""

from __future__ import annotations

import contextlib
import random
import threading
import time

from token_flush.servers import Durable

PACE = 0.004  # seconds between two of its statements, so that it leaves the machine to the purge


class Bystander(threading.Thread):
    """Inserts, validates, revokes and deletes tokens of its own, at a steady pace."""

    def __init__(self, server: Durable) -> None:
        super().__init__(daemon=True)
        self._server, self._over = server, threading.Event()
        self._seconds: list[float] = []

    def run(self) -> None:
        pick, known = random.Random(1), [""]
        with contextlib.closing(self._server.connect("keystone")) as connection, connection.cursor() as cursor:
            while not self._over.wait(PACE):
                name, act = f"{pick.getrandbits(256):064x}", pick.random()
                began = time.perf_counter()
                if act < 0.4:
                    cursor.execute("INSERT INTO token VALUES (%s, '2030-01-01', 'x', 1, NULL, 'w')", (name,))
                    known.append(name)
                elif act < 0.8:
                    cursor.execute("SELECT valid FROM token WHERE id = %s", (pick.choice(known),))
                elif act < 0.9:
                    cursor.execute("UPDATE token SET valid = 0 WHERE id = %s", (pick.choice(known),))
                elif len(known) > 1:
                    cursor.execute("DELETE FROM token WHERE id = %s", (known.pop(),))
                self._seconds.append(time.perf_counter() - began)

    def finish(self) -> tuple[float, float]:
        """Median and 99th hundredth of its statements, in seconds."""
        self._over.set()
        self.join()
        times = sorted(self._seconds)
        return times[len(times) // 2], times[len(times) * 99 // 100]
