"""Whether an experiment whose preset needs a GPU may start on this machine."""

from __future__ import annotations

from kbnd.errors import UsageError
from kbnd.execution.settings import Settings
from kbnd.profiling import device
from kbnd.study.definition import Study
from kbnd.study.experiment import Experiment
from kbnd.study.held import load_backend
from kbnd.study.preview import preview
from kbnd.study.variants import FAITHFUL
from kbnd.words import rough_time

FIRST_NAMED = "scaled"
"""The preset that is named first to who cannot run another one."""


def check_gpu(study: Study, experiment: Experiment, settings: Settings) -> None:
    """Refuse a preset that needs a GPU where the backend, which is loaded for it, sees none.

    The preset's own budget on its own dataset is refused; a user's own epochs or dataset are where they would take
    longer than `kbnd.study.preview.LONG_S`, or for a time that cannot be told. In any case only what the ledger leaves
    to train counts.

    Raises:
        UsageError: it says how long the preset would take here, which one fits, and how to insist.
    """
    settings.check()
    if not experiment.needs_gpu:
        return
    name = load_backend(experiment, settings)
    if device.device_kind() != "cpu":
        return
    cost = preview(experiment, settings)
    if not (cost.needs_gpu and cost.n_left):
        return
    seconds = cost.seconds
    would_take = "a time that cannot be told" if seconds is None else f"about {rough_time(seconds)} (an estimate)"
    fitting = _fitting(study)
    fits = f"--preset {fitting[0]} fits a CPU, " if fitting else ""
    raise UsageError(
        f"preset {experiment.preset!r} needs a GPU and {name} sees none, on this CPU it would take {would_take}: "
        f"{fits}--yes starts it all the same"
    )


def _fitting(study: Study) -> list[str]:
    """The presets that need no GPU, the one to be named first."""
    presets = sorted(dict.fromkeys([FAITHFUL, *study.presets]), key=lambda name: name != FIRST_NAMED)
    return [name for name in presets if not study.preset(name).needs_gpu]
