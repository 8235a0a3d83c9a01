"""The registry answers without Keras."""

import inspect
import subprocess
import sys

import pytest

import kbnd.models
from kbnd.errors import UsageError
from kbnd.models import MODELS, check, resolve
from kbnd.spec import ModelSpec

BACKENDS = ("keras", "tensorflow", "jax", "torch")


def test_importing_the_networks_and_checking_a_spec_imports_no_backend():
    code = (
        "import sys, kbnd.models; from kbnd.models import lenet5; from kbnd.spec import ModelSpec;"
        "kbnd.models.check(ModelSpec(name='lenet5', batch_norm='before_activation', dropout=0.5));"
        "deep = ModelSpec(name='resnet', options={'depth': 164, 'block': 'bottleneck'});"
        "kbnd.models.resolve(deep), kbnd.models.cost(deep, input_shape=(32, 32, 3), classes=10);"
        f"print([name for name in {BACKENDS} if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_an_image_too_small_is_refused_before_keras_is_imported():
    code = (
        "import sys; from kbnd.errors import UsageError; from kbnd.models import lenet5\n"
        "try: lenet5((8, 8, 1), 10)\n"
        "except UsageError: print('keras' in sys.modules)"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "False"


@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_registered_and_exported_under_the_name_of_its_builder(name):
    assert MODELS[name].name == name == MODELS[name].builder.__name__
    assert getattr(kbnd.models, name) is MODELS[name].builder
    assert inspect.signature(MODELS[name].builder).parameters["name"].default == name
    check(ModelSpec(name=name, options={"depth": 20} if name == "resnet" else {}))


def test_the_datasets_are_those_of_the_reports():
    assert {name for name, entry in MODELS.items() if entry.dataset == "mnist"} == {"lenet5"}
    assert {entry.dataset for entry in MODELS.values()} == {"mnist", "cifar10"}


def test_options_are_what_the_builder_takes_beyond_the_spec():
    assert {name: entry.options for name, entry in MODELS.items()} == {
        "lenet5": {"activation": "relu"},
        "alexnet": {"head": (), "width": 1.0, "activation": "relu"},
        "alexnet_d2l": {"activation": "relu"},
        "simple_cnn": {"width": 1.0, "activation": "relu"},
        "deeper_cnn": {"width": 1.0, "activation": "relu"},
        "resnet": {
            "depth": None,
            "block": "basic",
            "order": "post",
            "shortcut": "projection",
            "width": 1.0,
            "activation": "relu",
        },
    }
    check(ModelSpec(name="lenet5", options={"activation": "tanh"}))


REFUSED = [
    ({"name": "lenet6"}, r"unknown model 'lenet6' \(did you mean 'lenet5'\?\)"),
    ({"options": {"depth": 20}}, r"unknown option of lenet5 'depth'.*choose from activation"),
    ({"options": {"dropout": 0.5}}, r"unknown option of lenet5 'dropout'"),
    ({"options": {"activation": 3}}, r"activation should be a name, received 3"),
    ({"options": {"activation": "rel"}}, r"unknown activation 'rel'"),
    ({"dropout_sites": ["conv9"]}, r"unknown site of lenet5 in dropout_sites 'conv9'"),
    ({"dropout": 0.5, "dropout_sites": []}, r"dropout 0.5 has no place in lenet5"),
    ({"name": "simple_cnn", "options": {"width": 0}}, r"width should be a positive number, received 0"),
    ({"name": "deeper_cnn", "options": {"width": 0.01}}, r"width 0\.01 leaves nothing of 32 filters"),
    ({"name": "simple_cnn", "options": {"width": "half"}}, r"width should be a positive number, received 'half'"),
    ({"name": "simple_cnn", "options": {"head": [5]}}, r"unknown option of simple_cnn 'head'"),
    (
        {"name": "alexnet", "dropout": 0.5},
        r"dropout 0.5 has no place in alexnet: head=\[512, 512\] gives it dense layers",
    ),
    (
        {"name": "alexnet", "dropout": {"dense": 0.5}},
        r"unknown site .*'dense'.*; head=\[512, 512\] gives it dense layers",
    ),
    ({"name": "alexnet", "dropout_sites": ["dense1"]}, r"'dense1'.*head=\[512, 512\] gives it dense layers"),
    ({"name": "alexnet", "dropout_sites": ["conv6"]}, r"unknown site of alexnet .*: choose from [a-z0-9, ]*conv5$"),
    (
        {"name": "alexnet", "dropout": 0.5, "dropout_sites": [], "options": {"head": [9]}},
        r"in alexnet: name dropout_sites",
    ),
    ({"name": "alexnet", "options": {"head": 512}}, r"head should be a list of whole numbers, .* received 512"),
    ({"name": "alexnet", "options": {"head": [512, 0]}}, r"head should be .* received \[512, 0\]"),
    ({"name": "alexnet", "options": {"head": [51.5]}}, r"head should be .* received \[51\.5\]"),
    ({"name": "alexnet", "options": {"head": None}}, r"head should be .* received None"),
]


@pytest.mark.parametrize(("fields", "sentence"), REFUSED)
def test_a_spec_that_cannot_be_built_is_refused(fields, sentence):
    with pytest.raises(UsageError, match=sentence):
        check(ModelSpec(**({"name": "lenet5"} | fields)))
    with pytest.raises(UsageError, match=sentence):
        resolve(ModelSpec(**({"name": "lenet5"} | fields)))
