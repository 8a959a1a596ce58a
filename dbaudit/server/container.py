"""A server in a container, by testcontainers: for a vendor or series that this machine has no program of."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.server import disk, log, options, owner, shared_socket
from dbaudit.server.disk import Needs
from dbaudit.server.image import image_for, version_of_image
from dbaudit.server.leftover import KEPT, LABEL, Engine, sweep
from dbaudit.server.place import Places
from dbaudit.server.server import Account, Endpoint, Kept, Server, client_options, new_password
from dbaudit.server.shared_socket import SharedSocket
from dbaudit.server.version import ServerVersion, parse_version

if TYPE_CHECKING:
    from testcontainers.community.mysql import MySqlContainer
    from testcontainers.core.docker_client import DockerClient

DATA = "/var/lib/mysql"
PORT = 3306
# Seconds from the start of a container to its first answer; an official image initialises its data before that.
START_WITHIN = 180
_LOOK_EVERY = 0.05
# The share of available memory up to which a server's data are in memory: they may take twice what is thought, and
# temporary files once.
_MEMORY_SHARE = 4
# The user and schema that the image is told to make: when this user is served, the image has done all it does.
_PROBE = "dbaudit_ready"


class ContainerServer(Server):
    """A running server in a container; `shared` is where its socket is, if it has one on this machine."""

    kind = "container"

    def __init__(
        self, container: MySqlContainer, label: str, version: ServerVersion, endpoint: Endpoint, tmp: Path,
        shared: SharedSocket | None,
    ) -> None:  # fmt: skip
        super().__init__(label=label, version=version, endpoint=endpoint)
        self._container = container
        self._tmp = tmp
        self._shared = shared
        self._kept = False

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the container's output."""
        return _log_of(self._container, lines)

    def keep(self) -> Kept:
        """Leave the container, under a name that no sweep takes away, and an option file to reach it by."""
        wrapped = self._container.get_wrapped_container()
        name = f"{KEPT}{wrapped.short_id}"
        options = client_options(self._tmp / f"{name}.cnf", replace(self._endpoint, socket=None))
        wrapped.rename(name)
        self._kept = True
        return Kept(f"mysql --defaults-extra-file={options}", f"docker rm -fv {name} && rm {options}")

    def close(self) -> None:
        """Remove the container and its volumes, and its socket."""
        if not self._kept:
            _remove(self._container)
        if self._shared:
            self._shared.close()
            self._shared = None


def start_container(
    image: str | None,
    places: Places,
    needs: Needs,
    *,
    origin: ServerVersion | None = None,
    watch: Watch = silent,
) -> ContainerServer:
    """Start `image`, or the one that is likest to the dump's server; it is pulled if absent.

    It is reached by a socket where that can be, else by a port of this machine's loopback. Raises DbauditError: no
    engine, no such image, disk too small, did not start.
    """
    image = image or image_for(origin)
    watch(Progress("serve", 0, None, "servers", f"container of {image}"))
    shared = shared_socket.share(places.tmp)
    try:
        return _serve(image, places, needs, origin, shared)
    except BaseException as error:
        if shared:
            shared.close()
        if not (shared and isinstance(error, DbauditError) and shared_socket.is_why(error.what)):
            raise
    return _serve(image, places, needs, origin, None)


def _serve(
    image: str, places: Places, needs: Needs, origin: ServerVersion | None, shared: SharedSocket | None
) -> ContainerServer:
    root, probe = Account("root", new_password()), Account(_PROBE, new_password())
    container = _prepare(image, root, probe, needs)
    arguments = options.common(version_of_image(image), needs, origin)
    container.with_command([*arguments, shared.option] if shared else arguments)
    container.with_kwargs(labels={LABEL: owner.ourselves()}, mounts=[shared.mount()] if shared else [])
    try:
        _start(container)
        host, port = container.get_container_host_ip(), container.get_exposed_port(PORT)
        endpoint = Endpoint(root, address=("127.0.0.1" if host == "localhost" else host, port), host="%")
        version = _await(container, endpoint, probe)
    except BaseException as error:
        tail = _log_of(container)
        _remove(container)
        if not isinstance(error, Exception) or isinstance(error, DbauditError):
            raise  # Ctrl-C, or told already
        raise _explained(image, error, tail) from error
    label = f"{version.name} in a container of {image}"
    return ContainerServer(container, label, version, _nearest(endpoint, shared), places.tmp, shared)


def _nearest(endpoint: Endpoint, shared: SharedSocket | None) -> Endpoint:
    """By the socket, if the server answers there: the engine may be elsewhere, or root only be let in by network."""
    if shared:
        near = replace(endpoint, socket=shared.path)
        with contextlib.suppress(pymysql.MySQLError, OSError):
            near.connect(near.admin).close()
            return near
    return endpoint


def _prepare(image: str, root: Account, probe: Account, needs: Needs) -> MySqlContainer:
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
    return container


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
        container.with_tmpfs_mount("/tmp", f"size={needs.disk},mode=1777")  # its tmpdir: where it sorts
        return
    root = Path(str(engine.info().get("DockerRootDir") or "/nonexistent"))
    if root.is_dir():
        disk.require(root, needs)


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
