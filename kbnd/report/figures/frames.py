"""What the pictures are drawn from: the frames of a study, and who is compared with whom in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Frames:
    """What the pictures are drawn from.

    Attributes:
        runs: columns of runs.csv.
        epochs: columns of epochs.csv.
        comparison: what `kbnd.analysis.compare.compare` returns of them.
        ratios: what `kbnd.analysis.timing.time_ratios` returns of them.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    comparison: pd.DataFrame
    ratios: pd.DataFrame

    @property
    def baseline(self) -> str:
        """Name of the study's reference arm, which has the A/A control."""
        return str(self.comparison["baseline"].iloc[0])

    @property
    def arms(self) -> list[str]:
        """Every arm once, in the order of the comparison."""
        return list(dict.fromkeys(self.comparison["arm"]))

    @property
    def references(self) -> dict[str, str]:
        """Arm -> the arm it is compared with."""
        return dict(zip(self.comparison["arm"], self.comparison["baseline"], strict=True))

    @property
    def has_many_baselines(self) -> bool:
        """Whether arms have baselines of their own, which a picture must then name."""
        return len(set(self.references.values())) > 1

    def compared(self, metric: str) -> list[dict[Any, Any]]:
        """Rows of the comparison for one metric, in the order of the arms."""
        return self.comparison[self.comparison["metric"] == metric].to_dict("records")
