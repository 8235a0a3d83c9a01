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
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_an_image_too_small_is_refused_before_keras_is_imported():
    code = (
        "import sys; from kbnd.errors import UsageError; from kbnd.models import lenet5\n"
        "try: lenet5((8, 8, 1), 10)\n"
        "except UsageError: print('keras' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "False"


@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_registered_and_exported_under_the_name_of_its_builder(name):
    assert MODELS[name].name == name == MODELS[name].builder.__name__
    assert getattr(kbnd.models, name) is MODELS[name].builder
    assert inspect.signature(MODELS[name].builder).parameters["name"].default == name
    check(ModelSpec(name=name, options={"depth": 20} if name == "resnet" else {}))


def test_the_datasets_are_those_of_the_sources():
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


SHARED = {
    "batch_norm": "none",
    "batch_norm_sites": None,
    "dropout": 0.0,
    "dropout_sites": None,
    "batch_norm_momentum": 0.9,
    "batch_norm_epsilon": 1e-5,
    "activation": "relu",
}
"""Options of every chain, with their defaults."""


@pytest.mark.parametrize("name", MODELS)
def test_a_signature_shows_every_keyword_with_its_default(name):
    shared = {
        option: SHARED[option] for option in (kbnd.models.LayerOptions.__annotations__ if name == "resnet" else SHARED)
    }
    keywords = {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in inspect.signature(MODELS[name].builder).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    dropout = {"dropout": 0.0}  # of a residual network, a keyword of its own
    assert keywords == {"name": name, **dropout, **shared, **MODELS[name].options}
    assert {field: value.default for field, value in ModelSpec.model_fields.items() if field in SHARED} == {
        option: default for option, default in SHARED.items() if option != "activation"
    }


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("keyword", ["batchnorm", "hint", "network", "options"])
def test_a_keyword_that_a_builder_does_not_take_is_an_error_of_pythons_words(name, keyword):
    depth = {"depth": 8} if name == "resnet" else {}
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument '{keyword}'$"):
        MODELS[name].builder((65, 65, 3), 10, **depth, **{keyword: 1})


def test_a_residual_network_takes_no_placement():
    with pytest.raises(TypeError, match=r"^resnet\(\) got an unexpected keyword argument 'batch_norm'$"):
        kbnd.models.resnet((32, 32, 3), 10, depth=8, batch_norm="none")


@pytest.mark.parametrize("name", MODELS)
def test_a_docstring_says_where_the_options_are_documented(name):
    kind = "LayerOptions" if name == "resnet" else "PlacementOptions"
    assert f"**options: of `kbnd.models.{kind}`" in MODELS[name].builder.__doc__
    for option in getattr(kbnd.models, kind).__annotations__:
        assert option in getattr(kbnd.models, kind).__doc__


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
