"""What `kbnd doctor` looks at: versions, backends and devices, files that hide a library, data, the ledger's state.

Every installed backend is started in a process of its own, because Keras can hold only one, and so that a backend
that cannot even be imported is reported instead of ending the examination.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kbnd import data, interpreters
from kbnd.errors import KbndError, how_to_install
from kbnd.files import kind_of
from kbnd.ledger import Reader
from kbnd.profiling import machine
from kbnd.report.datasets import dataset_rows, dataset_table
from kbnd.report.table import Table
from kbnd.training import backend

PACKAGES = (
    "kbnd",
    "keras",
    "tensorflow",
    "tensorflow-datasets",
    "keras-tuner",
    "jax",
    "torch",
    "numpy",
    "pandas",
    "scipy",
)
LIBRARIES = (
    *(name.replace("-", "_") for name in PACKAGES if name != "kbnd"),
    "matplotlib",
    "PIL",
    "pydantic",
    "rich",
    "sklearn",
    "typer",
)
"""Modules that a file of the working folder may hide, beside Python's own."""

PROBE_TIMEOUT_S = 120
HIDDEN = "Files here that hide a library of Python from `python -m`, scripts and notebooks: rename them"


def examine(ledger: Path) -> dict[str, Any]:
    """Return everything as JSON values.

    Args:
        ledger: file whose state is reported; it is never made.
    """
    return {
        "python": sys.version.split()[0],
        "packages": {name: machine.version(name) for name in PACKAGES},
        "backends": [_examine_backend(name, version) for name, version in backend.installed().items()],
        "hiding": interpreters.hiding(Path(), LIBRARIES),
        "data": dataset_rows(data.available()),
        "ledger": _examine_ledger(ledger),
    }


def tables(examination: dict[str, Any]) -> list[Table]:
    """Return an examination as tables."""
    versions = tuple((name, number or "not installed") for name, number in examination["packages"].items())
    backends = tuple(
        (b["backend"], b["version"] or "-", b["state"], ", ".join(b["devices"])) for b in examination["backends"]
    )
    hiding = tuple((file,) for file in examination["hiding"])
    ledger = examination["ledger"]
    about = tuple((key.replace("_", " "), str(value)) for key, value in ledger.items())
    return [
        Table("Versions", ("Package", "Version"), (("python", examination["python"]), *versions), align="ll"),
        Table("Backends", ("Backend", "Version", "State", "Devices"), backends, align="llll"),
        *([Table(HIDDEN, ("File",), hiding, align="l")] if hiding else []),
        dataset_table(data.available()),
        Table("Ledger", ("", ""), about, align="ll"),
    ]


def _examine_backend(name: str, version: str | None) -> dict[str, Any]:
    about: dict[str, Any] = {"backend": name, "version": version, "devices": []}
    if version is None:
        extra = backend.BACKENDS[name]
        return {**about, "state": f"not installed: {how_to_install(extra)}" if extra else "not installed"}
    code = (
        "import json\nfrom kbnd.profiling.device import devices\nfrom kbnd.training import backend\n"
        f"backend.load({name!r})\nprint(json.dumps(devices()))"
    )
    try:
        probe = subprocess.run(
            interpreters.command("-c", code),
            env={**interpreters.environment(), "TF_CPP_MIN_LOG_LEVEL": "1"},  # what ends it in C++ is seen
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {**about, "state": f"did not start within {PROBE_TIMEOUT_S} s"}
    if probe.returncode != 0:
        reason = (probe.stderr.strip().splitlines() or ["no message"])[-1]
        return {**about, "state": f"broken: {reason}"}
    return {**about, "state": "works", "devices": json.loads(probe.stdout.strip().splitlines()[-1])}


def _examine_ledger(path: Path) -> dict[str, Any]:
    try:
        if kind_of(path, what="ledger") == "nothing":
            return {"file": str(path), "state": "none yet"}
        with Reader.open(path) as ledger:
            runs = ledger.runs().drop_duplicates("run_id")
            live, studies = len(ledger.live_claims()), ledger.studies()
    except KbndError as error:
        return {"file": str(path), "state": str(error)}
    counts = {status: int(n) for status, n in runs["status"].value_counts().items()}
    return {"file": str(path), "state": "readable", "experiments": studies, "runs": counts, "being trained": live}
