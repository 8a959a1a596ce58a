"""A follower as a process of its own, as an operator starts it, and what it has told."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import forked
from tests.ec2.conftest import Site, no_secret

Sites = tuple[Site, Site]
PATIENCE = 40


def until(true: Callable[[], Any], within: float = PATIENCE) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


class Follower:
    """A following process, and what it has told."""

    def __init__(self, sites: Sites, folder: Path, environment: dict[str, str], *words: str) -> None:
        self.folder, self.sites = folder, sites
        folder.mkdir(exist_ok=True)
        command = ["ec2", "sync", *(site.url for site in sites), "--apply", "--follow"]
        command += ["--interval", "200ms", "--key-file", str(folder / "key"), "--metrics", str(folder / "m.prom")]
        out, err = (folder / name for name in ("out", "err"))
        for each in (out, err):
            each.write_text("")
        self.process = forked.Begun([*command, *words], environment, folder, out, err)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        told = [json.loads(line) for line in (self.folder / "out").read_text().splitlines() if line.endswith("}")]
        return [each for each in told if kind in (None, each["event"])]

    def began(self) -> None:
        until(lambda: self.events("round"))

    def metric(self, name: str) -> float:
        lines = (self.folder / "m.prom").read_text().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"dbaudit_ec2_{name} ")))

    def stop(self, signum: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        code = self.process.wait(PATIENCE)
        no_secret(*(self.folder / name for name in ("out", "err", "m.prom") if (self.folder / name).exists()))
        return code


@pytest.fixture
def follow(sites: Sites, tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Follower]]:
    made: list[Follower] = []

    def start(*words: str) -> Follower:
        made.append(Follower(sites, tmp_path / "follow", environment, *words))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.wait()
