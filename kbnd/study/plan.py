"""The plan of an experiment: which runs, in which order.

A block is one seed with its arms shuffled, so that drift of the machine hits all arms alike:

    block 1: bn  dropout0.5  baseline  ...  baseline (A/A)
    block 2: dropout0.1  baseline (A/A)  bn  ...

The plan is a function of the experiment and its setting alone, so that every driver of it makes the same one.
"""

from __future__ import annotations

from kbnd.execution.runs import PlannedRun, check_count
from kbnd.seeds import generator
from kbnd.spec import Identity, RunSpec
from kbnd.study.experiment import Experiment
from kbnd.words import counted


def plan(experiment: Experiment, *, identity: Identity, control: bool = True, retime: int = 0) -> list[PlannedRun]:
    """Return every run of an experiment in the order it is trained.

    Args:
        experiment: what is trained; its first arm is the baseline.
        identity: the setting that run ids are made from.
        control: add a second replicate of the baseline to every block.
        retime: further passes over all runs, as new replicates.

    Returns:
        Blocks one after another, the arms of each shuffled by its seed.

    Raises:
        UsageError: more runs than a plan can hold.
    """
    check_n_runs(experiment, control=control, retime=retime)
    baseline = next(iter(experiment.arms))
    planned = []
    for again in range(retime + 1):
        for seed in range(1, experiment.seeds + 1):
            members = [(arm, 2 * again) for arm in experiment.arms]
            members += [(baseline, 2 * again + 1)] if control else []
            order = generator(seed, "arm order", again).permutation(len(members))
            for position, (arm, replicate) in enumerate(members[i] for i in order):
                model, train = experiment.arms[arm]
                spec = RunSpec(model=model, data=experiment.data, train=train, seed=seed, replicate=replicate)
                block = again * experiment.seeds + seed
                planned.append(PlannedRun(arm, spec, spec.run_id(identity), block, position))
    return planned


def check_n_runs(experiment: Experiment, *, control: bool, retime: int) -> None:
    """Refuse more runs than a plan can hold, before any is made; arguments and error as of `plan`."""
    n_arms, n_seeds = len(experiment.arms), experiment.seeds
    again = f", {retime:,} times more" if retime else ""
    check_count(
        (n_arms + control) * n_seeds * (retime + 1),
        of=f"{counted(n_arms, 'arm')}{' and the A/A control' * control} with {counted(n_seeds, 'seed')}{again}",
        remedy="seeds or arms",
    )
