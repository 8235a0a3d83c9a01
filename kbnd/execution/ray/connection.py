"""The way to a cluster: where it is, whether it answers, and a connection that leaves the caller's process as it was.

Ray itself tries for minutes to reach a head that does not answer, and lets nobody shorten that
(https://github.com/ray-project/ray/issues/46863), so an address is tried here first.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import ModuleType

from kbnd.cores import n_cores
from kbnd.errors import UsageError
from kbnd.quiet import held_stderr

REACH_S = 4.0
"""How long the head of a cluster may take to answer."""

SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
"""Set where the user has not: Ray reports to nobody."""

QUIET = {"log_to_driver": False, "logging_level": logging.CRITICAL}


class Connection:
    """A connection to a cluster, made when it is first needed.

    Args:
        address: `auto` or HOST:PORT of a cluster that runs; None starts a Ray of this machine.

    Raises:
        UsageError: nobody answers at the address.
    """

    def __init__(self, address: str | None) -> None:
        self._address = None if address is None else _reached(address)
        self._is_ours = False

    def open(self) -> ModuleType:
        """Return Ray, connected; a connection that the caller has made already is used and left open."""
        ray = imported()
        if ray.is_initialized():
            return ray
        own = {"address": "local", "include_dashboard": False, "num_cpus": n_cores()}
        try:
            with held_stderr(), _same_signals():
                ray.init(**({"address": self._address} if self._address else own), **QUIET)
        except (OSError, RuntimeError, ValueError) as error:
            where = f"the Ray cluster at {self._address} lets nobody in" if self._address else "Ray does not start here"
            raise UsageError(f"{where}: {first_line(error)}") from None
        self._is_ours = True
        return ray

    def close(self) -> None:
        """End a connection that was made here, and the Ray of this machine with it."""
        if self._is_ours:
            imported().shutdown()
            self._is_ours = False


def imported() -> ModuleType:
    """Return Ray, which says nothing of its own."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Ray's own imports deprecate is nobody's business here
        import ray
        import ray._private.worker
    # Whatever `log_to_driver` says, the loss of a node is printed by every driver (ray-project/ray#2785), here into the
    # user's tables: no public switch covers it.
    ray._private.worker._worker_logs_enabled = False
    return ray


def first_line(error: BaseException) -> str:
    """Return what an error says, as far as it is one sentence; where it says nothing, its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def check_reachable(address: str, *, within_s: float = REACH_S) -> None:
    """Refuse an address where no cluster answers.

    Args:
        address: HOST:PORT of a cluster's head, which speaks gRPC.
        within_s: seconds that it may take to answer.

    Raises:
        UsageError: no such form, nobody answers, or somebody else.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal() and 0 < int(port) < 2**16) or "/" in host:
        raise UsageError(f"address should be auto or HOST:PORT of a Ray cluster's head, received {address!r}")
    try:
        if _is_grpc(address, within_s=within_s):
            return
        socket.create_connection((host.strip("[]"), int(port)), timeout=within_s).close()  # gRPC does not say why not
    except TimeoutError:
        raise UsageError(f"no Ray cluster answers at {address} within {within_s:g} s") from None
    except OSError as error:
        raise UsageError(f"no Ray cluster answers at {address} ({error.strerror or error})") from None
    raise UsageError(f"what answers at {address} is no Ray cluster")


def _is_grpc(address: str, *, within_s: float) -> bool:
    """Whether somebody at an address answers in gRPC.

    Raises:
        TimeoutError: it has not turned out yet.
    """
    import grpc  # which workers do without

    states: SimpleQueue[grpc.ChannelConnectivity] = SimpleQueue()
    ends = (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
    deadline = time.monotonic() + within_s
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:  # as Ray connects
        channel.subscribe(states.put, try_to_connect=True)
        try:
            while (state := states.get(timeout=max(0.0, deadline - time.monotonic()))) not in ends:
                pass
        except Empty:
            raise TimeoutError from None
    return state is grpc.ChannelConnectivity.READY


def _reached(address: str) -> str:
    """HOST:PORT of a cluster that answers at an address; raises `UsageError` where none does."""
    if address != "auto":
        check_reachable(address)
        return address
    imported()
    # What `ray.init(address="auto")` itself looks up before it tries for minutes; nothing public tells it.
    from ray._private import services

    try:
        local = str(services.canonicalize_bootstrap_address(address))
    except (ConnectionError, ValueError):
        raise UsageError(
            "no Ray cluster runs on this machine, received address 'auto': start one with ray start, or leave out the "
            "address for a Ray that ends with the command"
        ) from None
    check_reachable(local)
    return local


@contextmanager
def _same_signals() -> Iterator[None]:
    """Keep the handlers of a command, which stop at an epoch's end, where Ray sets its own as it connects.

    Reference: https://github.com/ray-project/ray/issues/46997
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # it was not set from Python
                signal.signal(number, handler)
