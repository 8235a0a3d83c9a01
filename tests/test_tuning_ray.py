"""A search on a Ray cluster that loses a node: nothing is lost, and nothing is trained twice."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ray_clusters import two_nodes

from kbnd.execution.concurrent import ActiveRun, Call, Event
from kbnd.execution.progress import Silent
from kbnd.execution.ray.crew import RemoteTasks
from kbnd.execution.runs import PlannedRun
from kbnd.ledger import Reader
from kbnd.records import RunRecord
from kbnd.tuning.tune import tune

pytestmark = pytest.mark.backend
__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "torch"  # one backend is enough, and this one starts first

N_TRIALS = 3  # two that train when a node is lost, and one that is still to come


class Together(RemoteTasks):
    """Remote tasks of which the first gets no answer before the second begins: a node is lost while both train."""

    n_begun = 0
    questions: list[tuple[ActiveRun, Event]] = []

    def events(self, active: Sequence[ActiveRun]) -> list[tuple[ActiveRun, Event]]:
        events = super().events(active)
        Together.n_begun += sum(isinstance(event, Call) and event.name == "on_start" for _, event in events)
        events, self.questions = [*self.questions, *events], []
        if self.n_begun < 2:
            self.questions = [(run, event) for run, event in events if isinstance(event, Call) and event.is_answered]
        return [event for event in events if event not in self.questions]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(Together, "n_begun", 0)
    monkeypatch.setattr("kbnd.execution.ray.RemoteTasks", Together)
    with two_nodes(monkeypatch) as nodes:
        yield nodes


class Removing(Silent):
    """Progress that takes a node away as soon as each node trains a run."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.starts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def on_start(self, run: PlannedRun, record: RunRecord) -> None:
        self.starts[run.run_id] += 1
        active = [run_id for run_id in self.starts if not self.ends[run_id]]
        if len(active) == 2 and self.cluster.worker_nodes:
            self.cluster.remove_node(next(iter(self.cluster.worker_nodes)), allow_graceful=False)

    def on_end(self, run: PlannedRun, record: RunRecord) -> None:
        self.ends[run.run_id] += record.status == "done"


def test_a_search_whose_cluster_loses_a_node_ends_as_on_one_machine(cluster: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"dataset": "digits", "epochs": 2, "oracle": "random", "max_trials": N_TRIALS, "seeds": 1}
    options |= {"lr": "1e-3..0.1", "test_seeds": 1, "changes": {"data.n_train": 300}, "backend": "torch"}
    progress = Removing(cluster)
    ledger = tmp_path / "ray.sqlite"
    result = tune("lenet5", ledger=ledger, executor="ray", address=cluster.address, progress=progress, **options)
    assert not cluster.worker_nodes
    assert result.is_complete
    assert set(progress.ends.values()) == {1}
    assert len(progress.ends) == N_TRIALS + 1
    assert sum(progress.starts.values()) == N_TRIALS + 2  # the run of the lost node began once more
    with Reader.open(ledger) as stored:
        assert stored.verify() == []
        assert stored.live_claims() == []
    alone = tune("lenet5", ledger=tmp_path / "inline.sqlite", progress=False, **options)
    names = [*alone.names, "status", "recipe_id"]
    assert result.trials[names].equals(alone.trials[names])
    assert result.trials["val_loss"].tolist() == pytest.approx(alone.trials["val_loss"].tolist(), rel=1e-3)
    assert result.best_trial == alone.best_trial
