"""What a run costs before it is trained: time, memory and disk, from counts alone.

    time    start + [epochs x (3 x training images + images evaluated) + final evaluation] x work / (speed x efficiency)
    work    of one image's forward pass: multiply-accumulates + `ACTIVATION_MACS` x activations
    memory  process + 4 bytes x [(2 + slots) x parameters + 2 x batch x activations] + images
    disk    rows of the ledger + 2 checkpoints of (1 + slots) x parameters + dataset cache

Forward and backward pass are three forward passes: the gradients to weights and to inputs cost one each. Activations
count because normalisation, activation and pooling wait for memory, not for arithmetic. Speed is this machine's in a
float32 matrix product; efficiency is the part of it that a backend reaches in a whole training step. Both constants
were fitted to epochs of LeNet-5, AlexNet, SimpleCNN and ResNet-20 with and without BN, batch 128, on 1 and 2 cores of
an AMD EPYC; the time of every one lay within a factor `WITHIN` of the formula (furthest was AlexNet on JAX, whose 5x5
convolutions XLA computes slowly on a CPU). Many cores serve a small network less well. What a ledger has measured is
better.
"""

from __future__ import annotations

import time

import numpy as np

from kbnd.cores import n_cores
from kbnd.cost.images import Images
from kbnd.models.costs import Cost
from kbnd.spec import TrainSpec

WITHIN = 3
"""Factor by which an estimated time may well be wrong."""

EFFICIENCY = {"tensorflow": 0.8, "jax": 0.25, "torch": 0.8}
"""Part of the speed in a matrix product that a training step reaches on a CPU; measured, see above."""

ACTIVATION_MACS = 50
"""Multiply-accumulates that take as long as one activation takes to be written and read; measured, see above."""

START_S = {"tensorflow": 2.0, "jax": 8.0, "torch": 1.0}
"""To build, trace and compile a small network for training and evaluation; deep ones take several times as long."""

PROCESS_BYTES = {"tensorflow": 900e6, "jax": 700e6, "torch": 680e6}
"""Resident memory of a process that has trained a small network."""

SLOTS = {"sgd": 0, "momentum": 1, "adam": 2}
"""Values that an optimizer keeps for each parameter."""

FLOAT_BYTES = 4
FORWARD_AND_BACKWARD = 3
RUN_ROW_BYTES, EPOCH_ROW_BYTES = 6_000, 400
CHECKPOINTS = 2
CALIBRATION_S = 0.2
SIDE = 64
"""Of the matrices timed: small enough that a BLAS library takes one thread, so that busy neighbours disturb little."""
MOST_CORES = 16
"""Cores that are counted: a step of a small network on 128 images keeps no more busy."""


def machine_speed(*, budget_s: float = CALIBRATION_S) -> float:
    """Return multiply-accumulates per second of this process' cores in a float32 matrix product.

    The best of many products on one core, times the cores: a shared machine is seen as if it were quiet.
    """
    first, second = (np.full((SIDE, SIDE), 0.5, np.float32) for _ in range(2))
    out = np.empty_like(first)
    best, end = float("inf"), time.perf_counter() + budget_s
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(10):
            np.matmul(first, second, out=out)
        best = min(best, (time.perf_counter() - start) / 10)
    return SIDE**3 / best * min(n_cores(), MOST_CORES)


def run_work(cost: Cost, train: TrainSpec, images: Images) -> float:
    """Return the work of a whole run: training, every evaluation, and the final one."""
    evaluated = images.n_validation * train.validation_curve + images.n_test * train.test_curve
    evaluated += min(train.n_train_eval, images.n_train)
    of_epoch = FORWARD_AND_BACKWARD * images.n_train + evaluated
    n_passes = train.epochs * of_epoch + images.n_validation + images.n_test
    return n_passes * (cost.macs + ACTIVATION_MACS * cost.n_activations)


def run_seconds(cost: Cost, train: TrainSpec, images: Images, *, speed: float, backend: str) -> float:
    """Return the estimated seconds of a run on a machine of this speed (multiply-accumulates per second)."""
    return START_S[backend] + run_work(cost, train, images) / (speed * EFFICIENCY[backend])


def run_memory(cost: Cost, train: TrainSpec, images: Images, *, backend: str) -> float:
    """Return the estimated bytes that a run holds: weights, gradients, slots, activations both ways, images."""
    of_weights = (2 + _slots(train)) * cost.n_parameters
    of_activations = 2 * min(train.batch_size, images.n_train) * cost.n_activations
    return PROCESS_BYTES[backend] + FLOAT_BYTES * (of_weights + of_activations) + images.n_bytes


def run_rows(train: TrainSpec, images: Images) -> float:
    """Return the bytes that a run leaves in the ledger: its row, one bit for each test image, its epochs."""
    return RUN_ROW_BYTES + images.n_test / 8 + EPOCH_ROW_BYTES * train.epochs


def run_checkpoints(cost: Cost, train: TrainSpec) -> float:
    """Return the bytes of a run's checkpoints, which are deleted when it ends."""
    return CHECKPOINTS * FLOAT_BYTES * (1 + _slots(train)) * cost.n_parameters


def _slots(train: TrainSpec) -> int:
    return SLOTS["momentum" if train.optimizer == "sgd" and train.momentum else train.optimizer]
