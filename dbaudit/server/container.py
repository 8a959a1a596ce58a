"""A server in a container, by testcontainers: for a vendor or series that this machine has no program of.

Ryuk, testcontainers' own cleaner, is another image to pull and is not used: each container is labelled with the
process that made it, and the next start removes those whose process is gone.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.server import disk, log, options, owner
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Account, Endpoint, Kept, Server, client_options, new_password
from dbaudit.server.version import ServerVersion, parse_version

if TYPE_CHECKING:
    from testcontainers.community.mysql import MySqlContainer
    from testcontainers.core.docker_client import DockerClient

DEFAULT_IMAGE = "mariadb:10.11"
LABEL = "dbaudit.owner"
DATA = "/var/lib/mysql"
PORT = 3306
# Seconds from the start of a container to its first answer; an official image initialises its data before that.
START_WITHIN = 180
_LOOK_EVERY = 0.05
# The share of available memory that the data of a server may take before they go to disk.
_MEMORY_SHARE = 3
# The user and schema that the image is told to make: when this user is served, the image has done all it does.
_PROBE = "dbaudit_ready"
# How the name of a container begins that was kept on purpose.
_KEPT = "dbaudit-kept-"


class Engine(Protocol):
    """What is used of docker's client."""

    containers: Any

    def info(self) -> dict[str, Any]: ...


class ContainerServer(Server):
    """A running server in a container."""

    kind = "container"

    def __init__(
        self, container: MySqlContainer, image: str, version: ServerVersion, endpoint: Endpoint, tmp: Path
    ) -> None:
        super().__init__(label=f"{version.name} in a container of {image}", version=version, endpoint=endpoint)
        self._container = container
        self._tmp = tmp
        self._kept = False

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the container's output."""
        return _log_of(self._container, lines)

    def keep(self) -> Kept:
        """Leave the container, under a name that no sweep takes away, and an option file to reach it by."""
        wrapped = self._container.get_wrapped_container()
        name = f"{_KEPT}{wrapped.short_id}"
        options = client_options(self._tmp / f"{name}.cnf", self._endpoint)
        wrapped.rename(name)
        self._kept = True
        return Kept(f"mysql --defaults-extra-file={options}", f"docker rm -fv {name} && rm {options}")

    def close(self) -> None:
        """Remove the container and its volumes."""
        if not self._kept:
            _remove(self._container)


def start_container(
    image: str | None,
    places: Places,
    needs: Needs,
    *,
    origin: ServerVersion | None = None,
    watch: Watch = silent,
) -> ContainerServer:
    """Start `image`, or the one that is likest to the dump's server; it is pulled if absent.

    Raises DbauditError: no engine, no such image, disk too small, did not start.
    """
    image = image or image_for(origin)
    watch(Progress("serve", 0, None, "servers", f"container of {image}"))
    root, probe = Account("root", new_password()), Account(_PROBE, new_password())
    container = _prepare(image, root, probe, needs, origin)
    try:
        _start(container)
        host, port = container.get_container_host_ip(), container.get_exposed_port(PORT)
        endpoint = Endpoint(root, address=("127.0.0.1" if host == "localhost" else host, port), host="%")
        version = _await(container, endpoint, probe)
    except DbauditError:
        _remove(container)
        raise
    except BaseException as error:
        tail = _log_of(container)
        _remove(container)
        if not isinstance(error, Exception):
            raise  # Ctrl-C
        raise _explained(image, error, tail) from error
    return ContainerServer(container, image, version, endpoint, places.tmp)


def image_for(origin: ServerVersion | None) -> str:
    """The official image of the dump's vendor and series."""
    return f"{origin.vendor}:{origin.series[0]}.{origin.series[1]}" if origin else DEFAULT_IMAGE


def version_of_image(image: str) -> ServerVersion:
    """What the name of an image says about the server in it; a recent one where it says nothing."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    vendor = "mariadb" if "maria" in name else "mysql"
    numbers = re.match(r"\d+(\.\d+)+", tag)
    given = numbers[0] if numbers else "11.8" if vendor == "mariadb" else "9.0"
    return parse_version(f"{given}-MariaDB" if vendor == "mariadb" else given)


def _prepare(image: str, root: Account, probe: Account, needs: Needs, origin: ServerVersion | None) -> MySqlContainer:
    from docker.errors import DockerException
    from testcontainers.community.mysql import MySqlContainer
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True
    testcontainers_config.sleep_time = _LOOK_EVERY
    try:
        container = MySqlContainer(
            image,
            dialect="pymysql",
            username=probe.user,
            password=probe.password,
            root_password=root.password,
            dbname=_PROBE,
        )
        client = container.get_docker_client()
        sweep(cast("Engine", client.client))
        if reached_at := _reached_at(client):  # nobody else needs to
            container.ports = {str(PORT): cast("Any", (reached_at, None))}
        _place(container, cast("Engine", client.client), needs)
    except (DockerException, OSError) as error:
        raise DbauditError(
            f"there is no container engine that answers: {error}",
            "start one (dockerd, podman), set DOCKER_HOST, or use --server private",
        ) from error
    container.with_command(options.common(version_of_image(image), needs, origin))
    return container.with_kwargs(labels={LABEL: owner.ourselves()})


def _reached_at(client: DockerClient) -> str | None:
    """The address of this machine at which we reach a container: loopback, or the engine's bridge where we are in a
    container ourselves; None where that is not known."""
    from testcontainers.core.config import ConnectionMode

    mode = client.get_connection_mode()
    if mode == ConnectionMode.docker_host:
        return "127.0.0.1" if client.host() == "localhost" else None
    if mode == ConnectionMode.gateway_ip:
        bridge = client.client.networks.get("bridge").attrs
        # An engine that was given its bridge does not tell its address; then only the password keeps others out.
        return next((each["Gateway"] for each in bridge["IPAM"]["Config"] if each.get("Gateway")), None)
    return None


def _place(container: MySqlContainer, engine: Engine, needs: Needs) -> None:
    """Data in memory where that is plenty, else on the engine's disk if that has room."""
    if needs.disk < options.available_memory() // _MEMORY_SHARE:
        container.with_tmpfs_mount(DATA, f"size={needs.disk * 2}")
        return
    root = Path(str(engine.info().get("DockerRootDir") or "/nonexistent"))
    if root.is_dir():
        disk.require(root, needs)


def sweep(engine: Engine) -> list[str]:
    """Remove the containers of dbaudits that are gone; their ids."""
    swept = []
    for found in engine.containers.list(all=True, filters={"label": LABEL}):
        made_by = found.labels[LABEL]
        if found.name.startswith(_KEPT):
            continue
        ended = found.status in ("exited", "dead")
        if owner.is_gone(made_by) or (ended and not owner.is_here(made_by)):  # as after a reboot
            with contextlib.suppress(Exception):  # another dbaudit may remove it at the same time
                found.remove(force=True, v=True)
                swept.append(str(found.id))
    return swept


def _start(container: MySqlContainer) -> None:
    # Not MySqlContainer.start: that one waits for two lines of a log, which need not mean that anybody can log in.
    from testcontainers.core.container import DockerContainer

    DockerContainer.start(container)


def _await(container: MySqlContainer, endpoint: Endpoint, probe: Account) -> ServerVersion:
    """Wait until the image's own user is served, then clear away what the image made for it."""
    end, last = time.monotonic() + START_WITHIN, "it never answered"
    while time.monotonic() < end:
        if container.get_wrapped_container().status in ("exited", "dead"):
            last = "it ended"
            break
        try:
            endpoint.connect(probe, _PROBE).close()
            return _clear(endpoint)
        except (pymysql.MySQLError, OSError) as error:
            last = str(error.args[-1])
        time.sleep(_LOOK_EVERY)
        container.get_wrapped_container().reload()
    raise TimeoutError(last)


def _clear(endpoint: Endpoint) -> ServerVersion:
    with contextlib.closing(endpoint.connect(endpoint.admin)) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {_PROBE}")
        cursor.execute(f"DROP USER '{_PROBE}'@'%'")
        cursor.execute("SELECT VERSION()")
        return parse_version(str((cursor.fetchone() or ("",))[0]))


def _explained(image: str, error: Exception, tail: str) -> DbauditError:
    from docker.errors import ImageNotFound, NotFound

    if isinstance(error, ImageNotFound | NotFound) or "pull access denied" in str(error):
        return DbauditError(
            f"there is no container image {image}, here or where the engine looks for it",
            "give another one with --server container:IMAGE",
        )
    if disk.tells_full(f"{error}\n{tail}"):
        return disk.full_error(None)
    said = f"; its log ends with:\n{tail}" if tail else ""
    return DbauditError(f"the container of {image} did not start: {error}{said}", "try another image")


def _log_of(container: MySqlContainer, lines: int = 20) -> str:
    with contextlib.suppress(Exception):  # no log is no reason to hide why there is none
        return log.select("\n".join(part.decode(errors="replace") for part in container.get_logs()), lines)
    return ""


def _remove(container: MySqlContainer) -> None:
    with contextlib.suppress(Exception):  # gone already, or the engine is: the next start sweeps
        container.stop()
