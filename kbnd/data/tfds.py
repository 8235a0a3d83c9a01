"""Datasets of tensorflow-datasets, seen from a process that never imports TensorFlow.

Decoding happens in a child process (`kbnd.data.decoding`), because TensorFlow would otherwise stay in the memory
of a JAX or PyTorch training, start its threads there and take hold of the GPU. `TFDS_DATA_DIR` is respected.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import warnings
from pathlib import Path

from kbnd import home, interpreters
from kbnd.data import cache
from kbnd.errors import DataMissingError, InterruptedRunError, KbndError, NoSpaceError, UsageError
from kbnd.spec import DataSpec

NAME = re.compile(r"([a-z][a-z0-9_]{0,99})(?:/([A-Za-z0-9][A-Za-z0-9_.-]{0,99}))?(?::(\d{1,9}\.\d{1,9}\.\d{1,9}))?")
"""`name`, `name/config` or `name:version`, short enough for a file; no namespace: those run code from the network."""

KINDS = {kind.exit_code: kind for kind in (UsageError, DataMissingError, NoSpaceError, InterruptedRunError)}

INTERRUPTED = {
    InterruptedRunError.exit_code: InterruptedRunError.exit_code,
    **{-number: 128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)},
}
"""How a child ends that was told to stop -> exit code of the command; 130 where it caught Ctrl-C."""


def data_dir() -> Path:
    """Return the folder where tensorflow-datasets keeps prepared datasets."""
    return home.expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def is_known(name: str) -> bool:
    """Whether a name is cached, prepared, or listed by the installed tensorflow-datasets."""
    match = NAME.fullmatch(name)
    if match is None:
        return False
    return cache_key(name) in cache.cached_keys() or is_prepared(name) or match[1] in _listed()


def is_prepared(name: str) -> bool:
    """Whether `data_dir` holds some prepared version of a dataset."""
    match = NAME.fullmatch(name)
    if match is None:
        return False
    base, config, version = match.groups()
    folder = data_dir() / base / (config or "")
    depths = [f"{version or '*'}/dataset_info.json"] + ([] if config else [f"*/{version or '*'}/dataset_info.json"])
    return any(
        not any(part.startswith("incomplete") for part in info.relative_to(folder).parts)
        for depth in depths
        for info in folder.glob(depth)
    )


def cache_key(name: str) -> str:
    """Return the folder name of a dataset in the cache."""
    return name.replace("/", "+").replace(":", "=")


def missing(name: str, reason: str) -> DataMissingError:
    """Return the error for a dataset that is nowhere at hand."""
    return DataMissingError(
        f"dataset {name!r} is neither cached in {cache.cache_dir()} nor prepared in {data_dir()} and {reason}: "
        f"set TFDS_DATA_DIR to a folder that holds it, or use --dataset digits, which needs no download"
    )


def decode_in_child(spec: DataSpec, *, download: bool, force: bool) -> None:
    """Decode a dataset into the cache, in a process of its own.

    Args:
        spec: name, and size and fit for images that differ in size.
        download: fetch it where it is not prepared.
        force: decode although it is cached.

    Raises:
        DataMissingError: it is not prepared and could not be downloaded.
        UsageError: it is no image classification dataset.
        NoSpaceError: the disk is full.
        InterruptedRunError: Ctrl-C, which the child received too.
    """
    request = {"data": spec.model_dump(mode="json"), "download": download, "force": force}
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2", **interpreters.environment(), "CUDA_VISIBLE_DEVICES": "-1"}
    command = interpreters.command("-m", "kbnd.data.decoding", json.dumps(request))
    child = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", env=variables, check=False)
    if child.returncode:
        raise _error_of(child, spec.name)


def _error_of(child: subprocess.CompletedProcess[str], name: str) -> KbndError:
    sentence = child.stdout.strip()
    if child.returncode in KINDS and sentence:
        return KINDS[child.returncode](sentence)
    if child.returncode in INTERRUPTED:
        error = InterruptedRunError(f"stopped while decoding dataset {name!r}: the same command decodes it anew")
        error.exit_code = INTERRUPTED[child.returncode]
        return error
    return DataMissingError(
        f"decoding dataset {name!r} stopped with exit status {child.returncode}: its messages are above"
    )


def _listed() -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorflow-datasets and what it imports warn in many ways
        import tensorflow_datasets

        return tensorflow_datasets.list_builders(with_community_datasets=False)
