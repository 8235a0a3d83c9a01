"""The default executor: runs one after another in this process, those that can on one compiled model."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

from kbnd import data
from kbnd.records import RunRecord
from kbnd.spec import DataSpec
from kbnd.training.compiled import Networks
from kbnd.training.run import train
from kbnd.training.task import Observer, Task


def execute(tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]) -> Iterator[RunRecord | None]:
    """Train tasks in their order, pulling each when the one before has ended.

    Compiled models are kept for the other tasks of the call and let go with it: a notebook that goes on to other
    things keeps none.

    Args:
        tasks: what to train; None where nothing is free at the moment.
        observer: makes the observer of each task.

    Yields:
        The record of each task; None for each None, so that the driver can wait.
    """
    loaded: dict[DataSpec, data.Dataset] = {}
    networks = Networks()
    for task in tasks:
        if task is None:
            yield None
            continue
        if task.spec.data not in loaded:
            loaded = {task.spec.data: data.load(task.spec.data)}
        yield train(task, dataset=loaded[task.spec.data], observer=observer(task), networks=networks)
    del networks
    gc.collect()  # models are circles
