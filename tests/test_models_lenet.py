"""LeNet-5 as Keras builds it: counts, shapes, unit order, training."""

import numpy as np
import pytest
from network_checks import Case, check_network, check_training

from kbnd.models import lenet5, resolve
from kbnd.spec import ModelSpec

pytestmark = pytest.mark.backend

MNIST = (28, 28, 1)
PLAIN = 61_706
PAPER = {
    "conv1": (28, 28, 6),
    "conv1_pool": (14, 14, 6),
    "conv2": (10, 10, 16),
    "conv2_pool": (5, 5, 16),
    "conv3": (1, 1, 120),
    "dense1": (84,),
    "logits": (10,),
}
"""Output shapes of the paper, of padded images of 28x28 and of unpadded ones of 32x32."""

N_NORMED = {"none": 0, "before_activation": 142, "after_activation": 142, "before_weight": 6 + 16}
"""Channels with Batch Normalization by placement: two trained parameters and two statistics each."""

EVERYWHERE = {"batch_norm_sites": ["conv", "dense"], "dropout": 0.1, "dropout_sites": ["conv", "dense"]}


def lenet(input_shape=MNIST, *, trained=None, total=None, classes=10, facts=None, **fields):
    return Case(
        ModelSpec(name="lenet5", **fields), input_shape, classes, n_trainable=trained, n_total=total, **(facts or {})
    )


OTHERWISE_WRITTEN = [
    {"batch_norm": "none", "batch_norm_sites": ["conv"], "dropout": 0.0, "dropout_sites": ["dense1"]},
    {"batch_norm": "before_weight", "batch_norm_sites": ["dense", "conv3", "conv2"], "dropout": {"dense1": 0.5}},
    {"batch_norm": "after_activation", "batch_norm_sites": ["logits"], "dropout": {"conv": 0.1, "conv2": 0.3}},
]
"""Fields whose canonical spec is another one."""

CASES = [
    lenet(trained=PLAIN, total=PLAIN),
    lenet(dropout=0.5, trained=PLAIN, total=PLAIN + 1),  # the rate is a weight
    *(
        lenet(batch_norm=placement, trained=PLAIN + 2 * n, total=PLAIN + 4 * n)
        for placement, n in N_NORMED.items()
        if n
    ),
    lenet(batch_norm="before_activation", batch_norm_sites=["conv1", "conv2"], trained=61_750, total=61_794),
    *(
        lenet((side, side, 1), batch_norm=placement, dropout=0.5, facts={"shapes": PAPER})
        for side in (28, 32)
        for placement in N_NORMED
    ),
    # A larger image keeps what is left of its maps.
    lenet((40, 36, 3), classes=7, facts={"shapes": {"conv3": (3, 2, 120), "flatten": (720,), "logits": (7,)}}),
    lenet(
        batch_norm="none",
        **EVERYWHERE,
        facts={
            "layers": {
                "conv2": "conv2 conv2_activation conv2_pool conv2_dropout",
                "dense1": "dense1 dense1_activation dense1_dropout",
            },
            "last": "logits",
        },
    ),
    lenet(
        batch_norm="before_activation",
        **EVERYWHERE,
        facts={
            "layers": {
                "conv2": "conv2 conv2_bn conv2_activation conv2_pool conv2_dropout",
                "dense1": "dense1 dense1_bn dense1_activation dense1_dropout",
            },
            "last": "logits",
        },
    ),
    lenet(
        batch_norm="after_activation",
        **EVERYWHERE,
        facts={
            "layers": {
                "conv2": "conv2 conv2_activation conv2_bn conv2_pool conv2_dropout",
                "dense1": "dense1 dense1_activation dense1_bn dense1_dropout",
            },
            "last": "logits",
        },
    ),
    lenet(
        batch_norm="before_weight",
        **EVERYWHERE,
        facts={
            "layers": {
                "conv2": "conv2_bn conv2_dropout conv2 conv2_activation conv2_pool",
                "dense1": "dense1_bn dense1_dropout dense1 dense1_activation",
            },
            "last": "logits",
        },
    ),
    # The input is left alone.
    lenet(
        batch_norm="before_weight",
        dropout=0.5,
        dropout_sites=["conv", "dense"],
        facts={"first": "conv1 conv1_activation conv1_pool"},
    ),
    lenet(batch_norm="after_activation", dropout={"conv": 0.1, "dense1": 0.5}),
    lenet(
        batch_norm="after_activation",
        dropout={"dense": 0.5},
        batch_norm_momentum=0.8,
        options={"activation": "tanh"},
        facts={"is_built_again": True},
    ),
    *(lenet(**fields, facts={"is_built_again": True}) for fields in OTHERWISE_WRITTEN),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_network_is_what_the_table_says(case):
    check_network(case)


@pytest.mark.parametrize("fields", OTHERWISE_WRITTEN)
def test_a_spec_that_was_written_otherwise_has_another_canonical_one(fields):
    spec = ModelSpec(name="lenet5", **fields)
    assert resolve(spec) != spec


def test_the_outputs_are_logits():
    model = lenet5(MNIST, 10)
    model.get_layer("logits").bias.assign(np.arange(10, dtype="float32") - 5)
    model.get_layer("logits").kernel.assign(np.zeros((84, 10), "float32"))
    np.testing.assert_array_equal(model.predict_on_batch(np.ones((1, *MNIST), "float32"))[0], np.arange(10) - 5)


@pytest.mark.parametrize("batch_norm", ["before_activation", "before_weight"])
def test_it_trains(batch_norm):
    check_training(ModelSpec(name="lenet5", batch_norm=batch_norm, dropout=0.1), MNIST, classes=2)
