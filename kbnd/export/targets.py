"""One function for every target of an export: what it needs, and who writes it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from kbnd.errors import UsageError, how_to_install, unknown
from kbnd.ledger import Reader
from kbnd.ledger.exports import check_folder_name

Target = Literal["csv", "parquet", "jsonl", "tensorboard", "mlflow"]

OWN_FOLDER = ("tensorboard", "mlflow")
"""Targets that are written to a folder beside the ledger, `LEDGER.TARGET`, where nobody names another."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        written: files, the folder of a log, or the address of a store.
        look: how to look at it; empty where every program can.
    """

    written: tuple[str, ...]
    look: str = ""


def export(
    ledger: Reader,
    target: Target,
    out: str | os.PathLike[str] | None,
    *,
    study: str | None = None,
    tracking_uri: str | None = None,
) -> Exported:
    """Write the finished runs of a ledger for another program.

    Args:
        ledger: an open ledger.
        target: `csv`, `parquet`, `jsonl`, `tensorboard` or `mlflow`.
        out: the file (`jsonl`) or folder to write; None is a folder beside the ledger for `tensorboard`, and for
            `mlflow` unless it keeps the runs elsewhere.
        study: only the runs of this study; `tensorboard` and `mlflow` take the name of a search, too.
        tracking_uri: where MLflow keeps runs; None is `sqlite:///OUT/mlflow.db`.

    Raises:
        UsageError: an unknown target, nowhere to write to, an extra that is not installed, or nothing to export.
        NoSpaceError: the disk is full.
    """
    if target not in get_args(Target):
        raise unknown("target", target, get_args(Target))
    if tracking_uri is not None and target != "mlflow":
        raise UsageError(f"a tracking URI belongs to target 'mlflow', received one with {target!r}")
    if out is None and tracking_uri is None and target in OWN_FOLDER:
        out = ledger.path.with_name(f"{ledger.path.stem}.{target}")
    if target == "mlflow":
        return _to_mlflow(ledger, None if out is None else Path(out), study, tracking_uri)
    if out is None:
        raise UsageError(f"target {target!r} needs a {'file' if target == 'jsonl' else 'folder'} to write: --out PATH")
    if target == "tensorboard":
        check_folder_name(Path(out), target)
        return _to_tensorboard(ledger, Path(out), study)
    return Exported(tuple(map(str, ledger.export(out, target, study=study))))


def _to_tensorboard(ledger: Reader, out: Path, study: str | None) -> Exported:
    _check_installed("tensorboard", "tensorboard")
    from kbnd.export.selection import select
    from kbnd.export.tensorboard import write_logs

    write_logs(select(ledger, study), out)
    return Exported((str(out),), f"tensorboard --logdir {out}")


def _to_mlflow(ledger: Reader, out: Path | None, study: str | None, tracking_uri: str | None) -> Exported:
    if out is not None and tracking_uri is not None:
        raise UsageError("target 'mlflow' writes to a folder or to a tracking URI, received both")
    if out is not None:
        check_folder_name(out, "mlflow")
    _check_installed("mlflow", "mlflow", "sqlalchemy", "alembic")
    from kbnd.export.mlflow import local_store, log_runs
    from kbnd.export.selection import select

    selected = select(ledger, study)
    uri, artifacts = (tracking_uri, None) if out is None else local_store(out)
    log_runs(selected, str(uri), experiment=study or ledger.path.stem, artifacts=artifacts)
    return Exported((str(uri),), "" if out is None else f"mlflow ui --backend-store-uri {uri}")


def _check_installed(target: str, *modules: str) -> None:
    """Refuse a target whose programs are missing, by the first of them."""
    missing = next((module for module in modules if find_spec(module) is None), None)
    if missing is not None:
        raise UsageError(f"target {target!r} needs {missing}: {how_to_install(target)}")
