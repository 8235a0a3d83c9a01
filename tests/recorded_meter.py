"""An energy meter that replays a recorded counter, so that no test needs a GPU."""

from __future__ import annotations

import bisect
import json
import time
from collections.abc import Callable
from pathlib import Path

from kbnd.records import SHORTEST_METERED_S

LOG = Path(__file__).parent / "data" / "nvml_log.json"


class RecordedMeter:
    """Replays a recorded counter against a clock.

    Like the real counter it stands still between samples. Before the first reading time is 0 s; after the last sample
    nothing is known.

    Args:
        path: JSON with `t_s` (seconds, rising) and `energy_mj` (millijoules), two lists of one length.
        clock: seconds now.
    """

    shortest_s = SHORTEST_METERED_S

    def __init__(self, path: Path = LOG, *, clock: Callable[[], float] = time.perf_counter) -> None:
        log = json.loads(path.read_text())
        self.t_s: list[float] = log["t_s"]
        self.energy_mj: list[float] = log["energy_mj"]
        self._clock = clock
        self._start_s: float | None = None

    def energy_j(self) -> float | None:
        """Return the joules recorded at this time of the log."""
        now = self._clock()
        if self._start_s is None:
            self._start_s = now
        t = now - self._start_s
        if t > self.t_s[-1]:
            return None
        return self.energy_mj[bisect.bisect_right(self.t_s, t) - 1] / 1000
