"""The default executor: runs one after another in this process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator

from kbnd import data
from kbnd.records import RunRecord
from kbnd.spec import DataSpec
from kbnd.training.run import train
from kbnd.training.task import Observer, Task


def execute(tasks: Iterable[Task], *, observer: Callable[[Task], Observer]) -> Iterator[RunRecord]:
    """Train tasks in their order, pulling each when the one before has ended.

    Args:
        tasks: what to train.
        observer: makes the observer of each task.

    Yields:
        The record of each task.
    """
    loaded: dict[DataSpec, data.Dataset] = {}
    for task in tasks:
        if task.spec.data not in loaded:
            loaded = {task.spec.data: data.load(task.spec.data)}
        yield train(task, dataset=loaded[task.spec.data], observer=observer(task))
        gc.collect()  # a Keras model and its compiled steps are a circle, some 10 MB a run until it is broken
