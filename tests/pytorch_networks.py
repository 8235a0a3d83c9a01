"""Networks written in torch.nn beside kbnd's: what the comparisons of both need.

A PyTorch network names its layers as kbnd does (`named_layers`). Weights go over by name: kernels (h, w, in, out)
become (out, in, h, w), dense kernels are transposed.
"""

import pytest

torch = pytest.importorskip("torch", reason="it is compared with PyTorch")

BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
"""Keras' names of the weights and moving statistics, and PyTorch's."""


def channels_first(images):
    """The images (n, height, width, channels) as PyTorch has them, in memory too.

    Of a permuted view PyTorch adds up one number after the other.
    """
    n, height, width, channels = images.shape
    return torch.empty(n, channels, height, width).copy_(images.permute(0, 3, 1, 2))


def flattened(maps):
    """The numbers of maps (n, channels, height, width) as Keras orders them."""
    return maps.permute(0, 2, 3, 1).flatten(1)


def tensors(network):
    """Weights and moving statistics of a PyTorch network, named as in kbnd and turned to Keras' shapes."""
    values = {}
    for name, layer in network.named_layers().items():
        if isinstance(layer, torch.nn.BatchNorm2d):
            values |= {f"{name}/{ours}": getattr(layer, theirs) for ours, theirs in BATCH_NORM.items()}
            continue
        values[f"{name}/kernel"] = layer.weight.T if layer.weight.ndim == 2 else layer.weight.permute(2, 3, 1, 0)
        if layer.bias is not None:
            values[f"{name}/bias"] = layer.bias
    return values


def weights_of(model):
    """Weights and moving statistics of a Keras model by name."""
    import keras

    values = {weight.path: keras.ops.convert_to_numpy(weight.value) for weight in model.weights}
    return {path: value for path, value in values.items() if not path.endswith("/rate")}


def with_weights(network, model):
    """Copy every weight and moving statistic of a Keras model; both name the same ones."""
    values = weights_of(model)
    own = tensors(network)
    assert own.keys() == values.keys()
    with torch.no_grad():
        for path, tensor in own.items():
            tensor.copy_(torch.tensor(values[path].copy()))
    return network


def logits(model, images, *, training):
    import keras

    return keras.ops.convert_to_numpy(model(images, training=training))


def torch_logits(network, images, *, training):
    with torch.no_grad():
        return network.train(training)(torch.tensor(images)).numpy()


def rounds_much():
    """Whether BN's sums are added up one after the other."""
    import keras

    return keras.backend.backend() == "tensorflow"
