"""The registry answers without Keras."""

import subprocess
import sys

import pytest

from kbnd.errors import UsageError
from kbnd.models import MODELS, check
from kbnd.spec import ModelSpec

BACKENDS = ("keras", "tensorflow", "jax", "torch")


def test_importing_the_networks_and_checking_a_spec_imports_no_backend():
    code = (
        "import sys, kbnd.models; from kbnd.models import lenet5; from kbnd.spec import ModelSpec;"
        "kbnd.models.check(ModelSpec(name='lenet5', batch_norm='before_activation', dropout=0.5));"
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
def test_a_network_is_registered_under_the_name_of_its_builder(name):
    assert MODELS[name].name == name == MODELS[name].builder.__name__
    check(ModelSpec(name=name))


def test_options_are_what_the_builder_takes_beyond_the_spec():
    assert MODELS["lenet5"].options == {"activation": "relu"}
    check(ModelSpec(name="lenet5", options={"activation": "tanh"}))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "lenet6"}, r"unknown model 'lenet6' \(did you mean 'lenet5'\?\)"),
        ({"options": {"depth": 20}}, r"unknown option of lenet5 'depth'.*choose from activation"),
        ({"options": {"dropout": 0.5}}, r"unknown option of lenet5 'dropout'"),
        ({"options": {"activation": 3}}, r"activation should be a name, received 3"),
        ({"options": {"activation": "rel"}}, r"unknown activation 'rel'"),
        ({"dropout_sites": ["conv9"]}, r"unknown site of lenet5 in dropout_sites 'conv9'"),
        ({"dropout": 0.5, "dropout_sites": []}, r"dropout 0.5 has no place in lenet5"),
    ],
)
def test_a_spec_that_cannot_be_built_is_refused(fields, sentence):
    with pytest.raises(UsageError, match=sentence):
        check(ModelSpec(**({"name": "lenet5"} | fields)))
