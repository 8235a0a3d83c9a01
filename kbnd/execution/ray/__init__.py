"""Runs on a Ray cluster: each is a remote task that asks for processors and, where there are any, a part of a GPU.

    driver --task, images (object store)--> remote task --calls--> mailbox (an actor beside the driver) --> driver

| module       | subject                                                             |
|--------------|---------------------------------------------------------------------|
| `clusters`   | what a cluster has room for                                         |
| `connection` | the way to a cluster: its address, whether it answers, a connection |
| `crew`       | who trains: remote tasks, submitted again where one was lost        |
| `mailbox`    | where runs on other machines leave what they say                    |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kbnd.errors import UsageError, how_to_install
from kbnd.execution.concurrent import train_concurrently
from kbnd.execution.ray.clusters import Request, Share, share
from kbnd.execution.ray.connection import Connection
from kbnd.execution.ray.crew import RemoteTasks
from kbnd.records import RunRecord

if TYPE_CHECKING:
    from kbnd.training.task import Observer, Task


class Ray:
    """The executor `ray` or `ray:N`; it connects when it is first used.

    Args:
        places: how many runs at once; None is as many as the cluster has room for.
        address: `auto` or HOST:PORT of a cluster that runs; None starts a Ray of this machine, and ends it.
        num_cpus: processors of each run; None is 1, or an even share where `places` is given.
        num_gpus: GPUs of each run; None is an even share of what there is, at most 1.

    Raises:
        UsageError: Ray is not installed, or nobody answers at the address.
    """

    def __init__(
        self,
        places: int | None = None,
        *,
        address: str | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
    ) -> None:
        if find_spec("ray") is None:
            raise UsageError(f"executor 'ray' needs Ray, which is not installed: {how_to_install('ray')}")
        self._request = Request(places, num_cpus, num_gpus)
        self._connection = Connection(address)

    @property
    def places(self) -> int:
        """How many runs at once."""
        return self._request.places or self._share().places

    @property
    def is_concurrent(self) -> bool:
        """Whether runs may share a machine."""
        return self.places > 1

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        """Train tasks as they come; see `kbnd.execution.executors.Executor`."""
        share_of_run = self._share()
        try:
            crew = RemoteTasks(self._connection.open(), share_of_run)
            yield from train_concurrently(tasks, observer=observer, crew=crew, n_places=share_of_run.places)
        finally:
            self._connection.close()

    def _share(self) -> Share:
        nodes = [node["Resources"] for node in self._connection.open().nodes() if node["Alive"]]
        return share(nodes, self._request)
