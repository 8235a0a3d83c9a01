"""The other networks written in torch.nn: from the same weights they compute what kbnd's do.

Every number that a network could leave out is drawn: scales, offsets and moving statistics of BN too. What rounding
does is said in `test_fidelity_pytorch.py`.
"""

from functools import partial

import numpy as np
import pytest
from pytorch_networks import channels_first, flattened, logits, rounds_much, torch, torch_logits, with_weights

from kbnd.spec import ModelSpec

pytestmark = pytest.mark.backend

nn, relu, max_pool = torch.nn, torch.relu, torch.nn.functional.max_pool2d
IMAGES = np.random.default_rng(1).random((8, 32, 32, 3), np.float32)


class Network(nn.Module):
    """Layers by kbnd's names."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def named_layers(self):
        return dict(self.named_children())


class AlexNet(Network):
    """For 32x32 images, BN before every activation of the convolutions, two dense layers in the head."""

    def __init__(self):
        super().__init__(
            conv1=nn.Conv2d(3, 64, 11, stride=4, padding=5),
            conv1_bn=nn.BatchNorm2d(64),
            conv2=nn.Conv2d(64, 192, 5, padding=2),
            conv2_bn=nn.BatchNorm2d(192),
            conv3=nn.Conv2d(192, 384, 3, padding=1),
            conv3_bn=nn.BatchNorm2d(384),
            conv4=nn.Conv2d(384, 256, 3, padding=1),
            conv4_bn=nn.BatchNorm2d(256),
            conv5=nn.Conv2d(256, 256, 3, padding=1),
            conv5_bn=nn.BatchNorm2d(256),
            dense1=nn.Linear(256, 512),
            dense2=nn.Linear(512, 512),
            logits=nn.Linear(512, 10),
        )

    def forward(self, images):
        x = channels_first(images)
        x = max_pool(relu(self.conv1_bn(self.conv1(x))), 2)
        x = max_pool(relu(self.conv2_bn(self.conv2(x))), 2)
        x = relu(self.conv3_bn(self.conv3(x)))
        x = relu(self.conv4_bn(self.conv4(x)))
        x = max_pool(relu(self.conv5_bn(self.conv5(x))), 2)
        x = relu(self.dense1(flattened(x)))
        return self.logits(relu(self.dense2(x)))


class SimpleCNN(Network):
    """BN behind every activation of the convolutions."""

    def __init__(self):
        super().__init__(
            conv1=nn.Conv2d(3, 32, 3, padding=1),
            conv1_bn=nn.BatchNorm2d(32),
            conv2=nn.Conv2d(32, 32, 3),
            conv2_bn=nn.BatchNorm2d(32),
            conv3=nn.Conv2d(32, 64, 3, padding=1),
            conv3_bn=nn.BatchNorm2d(64),
            conv4=nn.Conv2d(64, 64, 3),
            conv4_bn=nn.BatchNorm2d(64),
            dense1=nn.Linear(6 * 6 * 64, 512),
            logits=nn.Linear(512, 10),
        )

    def forward(self, images):
        x = channels_first(images)
        x = self.conv1_bn(relu(self.conv1(x)))
        x = max_pool(self.conv2_bn(relu(self.conv2(x))), 2)
        x = self.conv3_bn(relu(self.conv3(x)))
        x = max_pool(self.conv4_bn(relu(self.conv4(x))), 2)
        return self.logits(relu(self.dense1(flattened(x))))


BLOCKS = {f"stage{stage}_block{i}": 16 * 2 ** (stage - 1) for stage in (1, 2, 3) for i in (1, 2, 3)}
"""Filters of the basic blocks of ResNet-20."""


class ResNet20(Network):
    """Basic blocks, a 1x1 convolution where the shape changes; `is_ic`: ReLU, BN, convolution instead of `post`."""

    def __init__(self, *, is_ic):
        convolution = partial(nn.Conv2d, bias=False)
        layers = {"conv1": convolution(3, 16, 3, padding=1)}
        n_in = 16
        for block, n in BLOCKS.items():
            stride = n // n_in
            layers[f"{block}_conv1"] = convolution(n_in, n, 3, stride=stride, padding=1)
            layers[f"{block}_conv1_bn"] = nn.BatchNorm2d(n_in if is_ic else n)
            layers[f"{block}_conv2"] = convolution(n, n, 3, padding=1)
            layers[f"{block}_conv2_bn"] = nn.BatchNorm2d(n)
            if stride > 1:
                layers[f"{block}_shortcut"] = convolution(n_in, n, 1, stride=stride)
            n_in = n
        layers["head_bn" if is_ic else "conv1_bn"] = nn.BatchNorm2d(64 if is_ic else 16)
        super().__init__(**layers, logits=nn.Linear(64, 10))
        self.is_ic = is_ic

    def forward(self, images):
        x = self.conv1(channels_first(images))
        x = x if self.is_ic else relu(self.conv1_bn(x))
        for block in BLOCKS:
            conv1, bn1, conv2, bn2 = (
                getattr(self, f"{block}_{layer}") for layer in ("conv1", "conv1_bn", "conv2", "conv2_bn")
            )
            shortcut = getattr(self, f"{block}_shortcut", nn.Identity())(x)
            if self.is_ic:
                x = conv2(bn2(relu(conv1(bn1(relu(x)))))) + shortcut
            else:
                x = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut)
        x = self.head_bn(relu(x)) if self.is_ic else x
        return self.logits(x.mean(dim=(2, 3)))


NETWORKS = {
    "alexnet": (
        AlexNet,
        ModelSpec(name="alexnet", batch_norm="before_activation", options={"head": [512, 512]}),
    ),
    "simple_cnn": (SimpleCNN, ModelSpec(name="simple_cnn", batch_norm="after_activation")),
    "resnet post": (partial(ResNet20, is_ic=False), ModelSpec(name="resnet", options={"depth": 20})),
    "resnet relu_ic_conv": (
        partial(ResNet20, is_ic=True),
        ModelSpec(name="resnet", options={"depth": 20, "order": "relu_ic_conv"}),
    ),
}
"""A network of PyTorch, and the spec of kbnd's."""

DRAWN = {"gamma": (0.5, 1.5), "beta": (-0.2, 0.2), "moving_mean": (-0.2, 0.2), "moving_variance": (0.5, 1.5)}


def pair(name):
    """Both networks, with the same weights."""
    from kbnd import models
    from kbnd.training import initial

    theirs, spec = NETWORKS[name]
    model = models.build(spec, input_shape=(32, 32, 3), classes=10)
    initial.initialise(model, seed=1, scheme="torch_default")
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if (limits := DRAWN.get(weight.path.rpartition("/")[2])) is not None:
            weight.assign(rng.uniform(*limits, weight.shape).astype("float32"))
    return model, with_weights(theirs(), model)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_agree_with_moving_statistics_and_with_those_of_the_batch(name):
    model, network = pair(name)
    for training, rounding in ((False, 1e-5), (True, 3e-4 if rounds_much() else 1e-5)):
        ours = logits(model, IMAGES, training=training)
        theirs = torch_logits(network, IMAGES, training=training)
        assert ours.std() > 0.01  # far above what is let pass
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=rounding)
