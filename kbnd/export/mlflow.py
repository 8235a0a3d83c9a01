"""Runs of the ledger as runs of MLflow: one each, found again by the tag `kbnd.run_id`.

| MLflow     | holds                                                                                   |
|------------|-----------------------------------------------------------------------------------------|
| experiment | the study, or else the ledger's file name                                               |
| parameters | every field of the spec, by its dotted path                                             |
| metrics    | train_loss, val_accuracy, train_s, ... by epoch (step, from 1); final/test_accuracy, ... |
| tags       | kbnd.run_id, recipe_id, status, backend, device, study, arm, fingerprint, digest        |

`kbnd.digest` is stored last: a run without it was cut off, one with another has changed since (it failed then and is
done now), and both are written anew before the old one is deleted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# MLflow reports its use to its makers and asks a dead server for minutes, unless told otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from kbnd.errors import KbndError, UsageError
from kbnd.export.selection import Selected
from kbnd.files import check_folder, disk_errors
from kbnd.ledger.schema import EPOCH_FIELDS
from kbnd.spec import digest

KEY, DIGEST = "kbnd.run_id", "kbnd.digest"

_STATUS = {"done": "FINISHED", "diverged": "FAILED", "failed": "FAILED", "oom": "FAILED"}
_MOST_METRICS = 1000
_LONGEST_TEXT = 5000
"""MLflow takes 1000 metrics at a time, and texts of 5000 signs as tags (of 6000 as parameters)."""


@dataclass(frozen=True)
class Content:
    """What MLflow is told of a run: parameters and tags by name, (name, value, time in ms, step) of each metric."""

    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[tuple[str, float, int, int]]


def local_store(out: Path) -> tuple[str, str]:
    """Return the addresses of a store in a folder, made where it is missing, and of its artifacts.

    Raises:
        UsageError: the folder cannot be written.
    """
    check_folder(out, what="export")
    with disk_errors(f"the folder {out}"):
        out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise UsageError(f"the folder {out} cannot be written")
    whole = out.absolute()
    return f"sqlite:///{whole / 'mlflow.db'}", (whole / "artifacts").as_uri()


def log_runs(runs: Sequence[Selected], uri: str, *, experiment: str, artifacts: str | None = None) -> None:
    """Bring an experiment of MLflow up to date with these runs.

    Args:
        runs: what it shall hold; other runs in it are left alone.
        uri: of the store.
        experiment: its name; made where it is missing.
        artifacts: address for files of a new experiment; None is the store's own.

    Raises:
        KbndError: the store cannot be reached or refuses.
    """
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)  # it tells of every table it makes
    try:
        client = MlflowClient(tracking_uri=uri)
        place = _experiment(client, experiment, artifacts)
        stored = _stored(client, place)
        for run in runs:
            content = _content(run)
            old = stored.get(run.record.run_id, [])
            mark = digest([content.params, content.tags, content.metrics])
            whole = next((run_id for run_id, stored_mark in old if stored_mark == mark), None)
            if whole is None:
                whole = _log(client, place, run, content, mark)
            for run_id, _ in old:
                if run_id != whole:
                    client.delete_run(run_id)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise KbndError(f"MLflow at {uri} could not be used: {reason:.300}") from error


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Return the id of an experiment."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if experiment.lifecycle_stage != "active":
        raise UsageError(f"the experiment {name!r} was deleted in MLflow: restore it there, or remove it for good")
    return str(experiment.experiment_id)


def _stored(client: MlflowClient, experiment_id: str) -> dict[str, list[tuple[str, str | None]]]:
    """Return, by kbnd's run id, MLflow's run ids and their digests."""
    stored: dict[str, list[tuple[str, str | None]]] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=1000, page_token=token)
        for run in page:
            if KEY in run.data.tags:
                stored.setdefault(run.data.tags[KEY], []).append((run.info.run_id, run.data.tags.get(DIGEST)))
        token = page.token
        if not token:
            return stored


def _log(client: MlflowClient, experiment_id: str, run: Selected, content: Content, mark: str) -> str:
    """Store a run and return MLflow's id of it; its digest comes last."""
    started, ended = round(1000 * run.started_s), round(1000 * run.ended_s)
    new = client.create_run(experiment_id, start_time=started, tags={KEY: run.record.run_id}, run_name=run.name)
    run_id = str(new.info.run_id)
    params = [Param(name, value) for name, value in content.params.items()]
    tags = [RunTag(name, value) for name, value in content.tags.items()]
    client.log_batch(run_id, params=params, tags=tags)
    for first in range(0, len(content.metrics), _MOST_METRICS):
        some = content.metrics[first : first + _MOST_METRICS]
        client.log_batch(run_id, metrics=[Metric(*metric) for metric in some])
    client.set_terminated(run_id, _STATUS.get(run.record.status, "KILLED"), end_time=ended)
    client.set_tag(run_id, DIGEST, mark)
    return run_id


def _content(run: Selected) -> Content:
    record = run.record
    tags: dict[str, Any] = {
        "kbnd.recipe_id": record.recipe_id,
        "kbnd.status": record.status,
        "kbnd.backend": f"{record.backend} {record.backend_version}",
        "kbnd.device": record.device,
        "kbnd.fingerprint": record.fingerprint,
        "kbnd.started_at": record.started_at,
        "kbnd.study": run.study,
        "kbnd.arm": run.arm,
        "kbnd.error": record.error,
    }
    return Content(
        params={name: str(value)[:_LONGEST_TEXT] for name, value in run.fields().items()},
        tags={name: str(value)[:_LONGEST_TEXT] for name, value in tags.items() if value is not None},
        metrics=list(_metrics(run)),
    )


def _metrics(run: Selected) -> Iterator[tuple[str, float, int, int]]:
    for epoch, time_s in zip(run.record.epochs, run.epoch_ends_s(), strict=True):
        for name, field in EPOCH_FIELDS.items():
            value = getattr(epoch, name)
            if name != "epoch" and field.kind != "flag" and value is not None:
                yield name, float(value), round(1000 * time_s), epoch.epoch
    for name, value in run.final().items():
        yield f"final/{name}", value, round(1000 * run.ended_s), run.record.n_epochs
