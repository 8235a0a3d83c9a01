"""Report S0's LeNet-5 as a plain PyTorch loop, written without kbnd: the yardstick for kbnd's numbers and speed.

Only the initial weights, the order of the images and the pixels come from kbnd, so that both train the same thing.
Dropout masks differ (each framework draws its own), and torch's running variance carries its factor n / (n - 1).
"""

import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

TORCH_OF_KERAS = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max-pooling for 28x28x1 images, BN after each convolution, dropout after dense1."""

    def __init__(self, *, batch_norm: bool, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.dense1 = nn.Linear(120, 84)
        self.logits = nn.Linear(84, 10)
        for name, channels in (("conv1_bn", 6), ("conv2_bn", 16), ("conv3_bn", 120)):
            setattr(self, name, nn.BatchNorm2d(channels) if batch_norm else nn.Identity())
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (b, 1, 28, 28) to logits (b, 10)."""
        x = functional.max_pool2d(functional.relu(self.conv1_bn(self.conv1(x))), 2)
        x = functional.max_pool2d(functional.relu(self.conv2_bn(self.conv2(x))), 2)
        x = functional.relu(self.conv3_bn(self.conv3(x))).flatten(1)
        return self.logits(self.dropout(functional.relu(self.dense1(x))))


def load_weights(network: LeNet5, weights: dict[str, np.ndarray]) -> None:
    """Copy trainable weights named as kbnd names them (`conv1/kernel`), in Keras' layouts."""
    with torch.no_grad():
        for path, value in weights.items():
            layer, weight = path.split("/")
            if value.ndim == 4:
                value = value.transpose(3, 2, 0, 1)
            elif value.ndim == 2:
                value = value.T
            getattr(getattr(network, layer), TORCH_OF_KERAS[weight]).copy_(torch.from_numpy(value.copy()))


def network_for(spec, dataset):
    """Return the network of a kbnd run with kbnd's initial weights; its dropout is seeded by the run's seed."""
    import keras

    from kbnd import models
    from kbnd.training import initial

    model = models.build(spec.model, input_shape=dataset.image_shape, classes=dataset.classes)
    initial.initialise(model, seed=spec.seed, scheme=spec.train.initial_weights)
    network = LeNet5(batch_norm=spec.model.batch_norm != "none", dropout=float(spec.model.dropout))
    weights = {v.path.removeprefix(f"{model.name}/"): v.value for v in model.trainable_variables}
    load_weights(network, {path: np.asarray(keras.ops.convert_to_numpy(value)) for path, value in weights.items()})
    torch.manual_seed(spec.seed)
    return network


def train(network, train, evaluated, *, orders, learning_rate, batch_size):
    """Train by plain SGD and evaluate after each epoch.

    Args:
        network: a LeNet5.
        train: (images float32 (n, 1, 28, 28), labels int64 (n,)) tensors.
        evaluated: such a pair for every split that is evaluated after each epoch; the last one is the test split.
        orders: one permutation of the training images for each epoch.
        learning_rate: of SGD.
        batch_size: images per step; the last, smaller batch is kept.

    Returns:
        Test accuracy after each epoch, and the seconds of training of each epoch.
    """
    images, labels = train
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)
    accuracies, seconds = [], []
    for order in orders:
        network.train()
        started = time.perf_counter()
        for chosen in torch.from_numpy(order).split(batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
        accuracies.append([accuracy(network, *split) for split in evaluated][-1])
    return accuracies, seconds


def accuracy(network, images, labels):
    """Share of right predictions in eval mode, in [0, 1]."""
    network.eval()
    with torch.no_grad():
        right = [
            network(x).argmax(1).eq(y).sum().item() for x, y in zip(images.split(1000), labels.split(1000), strict=True)
        ]
    return sum(right) / len(labels)


def tensors(split):
    """Return a kbnd split as (images float32 (n, 1, h, w) in [0, 1], labels int64) tensors."""
    images = torch.from_numpy(np.array(split.images.transpose(0, 3, 1, 2), np.float32)).div_(255)
    return images, torch.from_numpy(np.array(split.labels, np.int64))
