"""Frames and records as values of JSON, which has no number for what is none."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd

from kbnd.ledger.frames import as_filed


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as JSON values; what is not a number is null."""
    return json.loads(as_filed(frame).to_json(orient="records", double_precision=15))


def finite(value: Any) -> Any:
    """Return a value with null in place of what JSON has no number for: the loss of a diverged run."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
