"""Ray clusters for tests: nodes that are processes of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kbnd.execution.ray import connection

HEALTH_CHECK_MS = 200
"""How often the head looks after its nodes: it calls one lost after five looks, which takes 15 s by default."""


@contextmanager
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run a cluster of two nodes with a processor each; where Ray is not installed the test is skipped."""
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    connection.imported()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": {"health_check_period_ms": HEALTH_CHECK_MS}}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    yield nodes
    nodes.shutdown()
