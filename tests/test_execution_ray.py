"""Runs on a Ray cluster: lost nodes and workers, addresses, shares of a cluster. Nothing is trained."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import execution_faults as faults
import pytest
from ray_clusters import two_nodes

from kbnd.errors import UsageError
from kbnd.execution.executors import executor
from kbnd.execution.ray import crew
from kbnd.execution.ray.clusters import Request, Share, share
from kbnd.ledger import Ledger
from kbnd.records import EpochRecord, RunRecord
from kbnd.training.task import Observer, Task


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster whose workers train nothing."""
    monkeypatch.setattr(crew, "trained", faults.remotely)
    with two_nodes(monkeypatch) as nodes:
        yield nodes


def test_a_lost_node_loses_no_run_and_trains_none_twice(cluster: Any, tmp_path: Path) -> None:
    tasks = [faults.task("slow", folder=tmp_path, seed=seed, epochs=6) for seed in (1, 2, 3)]
    tasks += [faults.task(name, folder=tmp_path) for name in ("raises", "oom-once")]
    nodes: dict[str, list[str]] = {task.run_id: [] for task in tasks}  # where each attempt of a run began
    lost: list[str] = []
    finished: list[RunRecord] = []

    def remove(node: Any) -> None:
        ended = {record.run_id for record in finished}
        lost.extend(run for run, at in nodes.items() if at[-1:] == [node.node_id] and run not in ended)
        cluster.remove_node(node, allow_graceful=False)

    with Ledger.open(tmp_path / "kbnd.sqlite") as ledger:

        def observer(task: Task) -> Observer:
            def on_start(record: RunRecord) -> None:
                ledger.begin(record)
                nodes[record.run_id].append(record.environment["node"])

            def on_epoch(epoch: EpochRecord) -> None:
                ledger.add_epoch(task.run_id, epoch)
                for node in list(cluster.worker_nodes):
                    if task.spec.model.name == "slow" and nodes[task.run_id][-1] == node.node_id:
                        remove(node)

            return Observer(on_start=on_start, on_epoch=on_epoch)

        def claimed() -> Iterator[Task]:
            for task in tasks:
                assert ledger.claim(task.run_id) == "claimed"
                yield task

        engine = executor("ray", address=cluster.address)
        assert engine.places == 2
        for record in engine.execute(claimed(), observer=observer):
            assert record is not None
            ledger.finish(record)
            finished.append(record)
        assert ledger.verify() == []
    assert Counter(record.run_id for record in finished) == Counter(task.run_id for task in tasks)
    by_model = {record.model: record.status for record in finished}
    assert by_model == {"slow": "done", "raises": "failed", "oom-once": "done"}
    slow = [record for record in finished if record.model == "slow"]
    assert [[epoch.epoch for epoch in record.epochs] for record in slow] == [[1, 2, 3, 4, 5, 6]] * 3
    assert lost
    assert all(len(nodes[run]) == 2 for run in lost)
    assert len(nodes[tasks[3].run_id]) == 4
    assert any(record.is_concurrent for record in slow)


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    pytest.importorskip("ray")
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 \(Connection refused\)"):
        executor("ray", address="127.0.0.1:1")
    assert time.monotonic() - began < 10


def test_whoever_answers_in_another_language_is_no_cluster() -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def greet() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"220 mail.example.org ESMTP")
                connection.recv(1024)

        greeter = threading.Thread(target=greet)
        greeter.start()
        with pytest.raises(UsageError, match=f"what answers at {address} is no Ray cluster"):
            executor("ray", address=address)
        greeter.join()


def test_without_a_cluster_on_this_machine_auto_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    services = pytest.importorskip("ray._private.services")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: None)
    monkeypatch.setattr(services, "find_gcs_addresses", lambda: frozenset())
    with pytest.raises(UsageError, match="no Ray cluster runs on this machine, received address 'auto': start one"):
        executor("ray", address="auto")


@pytest.mark.parametrize("address", ["somewhere", "host:port", "ray://host:10001", ":6379", "host:99999"])
def test_an_address_has_one_form(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match=r"should be auto or HOST:PORT of a Ray cluster's head, received "):
        executor("ray:2", address=address)


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbnd.execution.ray.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"not installed: pip install 'kbnd\[ray\]'"):
        executor("ray")


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        ([{"CPU": 4}], Request(), Share(4, 1, 0)),
        ([{"CPU": 4}, {"CPU": 12}], Request(places=4), Share(4, 4, 0)),
        ([{"CPU": 2}], Request(places=4), Share(4, 0.5, 0)),
        ([{"CPU": 6}, {"CPU": 6}], Request(places=1), Share(1, 6, 0)),
        ([{"CPU": 16, "GPU": 2}], Request(), Share(2, 1, 1)),
        ([{"CPU": 16, "GPU": 1}], Request(places=3), Share(3, 5, 0.3333)),
        ([{"CPU": 16, "GPU": 1}], Request(num_gpus=0.25), Share(4, 1, 0.25)),
        ([{"CPU": 16, "GPU": 1}], Request(num_gpus=0, num_cpus=4), Share(4, 4, 0)),
    ],
)
def test_a_cluster_is_shared_out(nodes: list[dict[str, float]], asked: Request, expected: Share) -> None:
    assert share(nodes, asked) == expected


def test_what_no_node_has_is_refused_rather_than_waited_for() -> None:
    with pytest.raises(
        UsageError, match="no node of the Ray cluster has the 1 processors and 1 GPUs that a run asks for"
    ):
        share([{"CPU": 8}], Request(num_gpus=1))
    with pytest.raises(UsageError, match=r"num_gpus should be a fraction from 0 to 1 or a whole number, received 1\.5"):
        Request(num_gpus=1.5)
