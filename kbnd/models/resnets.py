"""Residual networks for small images: three stages of basic or bottleneck blocks, seven orders of their layers.

A network of depth 6n + 2 (basic) or 9n + 2 (bottleneck) has 3n blocks. For 32x32x3, ten classes, width 1:

| unit         | layer                                          | output (basic) | output (bottleneck) |
|--------------|------------------------------------------------|----------------|---------------------|
| conv1        | 16 filters 3x3                                 | 32x32x16       | 32x32x16            |
| stage1       | n blocks, 16 filters                           | 32x32x16       | 32x32x64            |
| stage2       | n blocks, 32 filters, the first with stride 2  | 16x16x32       | 16x16x128           |
| stage3       | n blocks, 64 filters, the first with stride 2  | 8x8x64         | 8x8x256             |
| head, logits | average over all positions, 10                 | 10             | 10                  |

A basic block has two convolutions 3x3; a bottleneck has 1x1, 3x3 and 1x1, the last with four times the filters. Source
S1 has n = 18 and 27 (basic 110 and 164), n = 12 and 18 (bottleneck 110 and 164).
Trainable parameters, by shortcut:

| network        |  zero_pad | projection | projection_bn |    | network        | projection |
|----------------|----------:|-----------:|--------------:|----|----------------|-----------:|
| basic 20       |   269,722 |    272,282 |       272,474 |    | bottleneck 20  |    219,482 |
| basic 56       |   853,018 |    855,578 |       855,770 |    | bottleneck 29  |    312,218 |
| basic 110      | 1,727,962 |  1,730,522 |     1,730,714 |    | bottleneck 110 |  1,146,842 |
| basic 164      | 2,602,906 |  2,605,466 |     2,605,658 |    | bottleneck 164 |  1,703,258 |

The order of the layers in a block, with the stem and the head that belong to it, is a row of
`kbnd.models.residual.RULES`. All orders but `post_no_bn` have the same number of trainable parameters.

References: He et al., "Deep residual learning for image recognition", CVPR 2016; He et al., "Identity mappings in deep
residual networks", ECCV 2016; Chen et al., arXiv 1905.05928 (2019), whose IC layer is Batch Normalization and then
dropout; Zagoruyko & Komodakis, "Wide residual networks", BMVC 2016, for dropout within a block.
Differs: a projection where the shape changes is He et al.'s option B, without Batch Normalization as in Keras'
`cifar10_resnet` example; they use option A, `zero_pad`, on these images.
Differs: a projection takes the raw input of its block in every order; in He et al.'s pre-activation code the first
block of a stage shares its Batch Normalization and ReLU with the shortcut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from kbnd.models.options import LayerOptions, taking
from kbnd.models.residual import Residual, parts, place_residual
from kbnd.models.sizes import check_input

if TYPE_CHECKING:
    import keras


@taking(LayerOptions)
def resnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    depth: int,
    block: str = Residual.block,
    order: str = Residual.order,
    dropout: float = Residual.dropout,
    shortcut: str = Residual.shortcut,
    width: float = Residual.width,
    name: str = "resnet",
    **options: Unpack[LayerOptions],
) -> keras.Model:
    """Return an uncompiled residual network that outputs logits.

    Convolutions have no bias; the first one of a block carries its stride, and pads as many zeros on each side.

    Args:
        input_shape: (height, width, channels), of any size.
        classes: number of logits.
        depth: weight layers on the longest path, 6n + 2 with basic blocks, 9n + 2 with bottlenecks, n from 1.
        block: `basic` or `bottleneck`.
        order: of the layers in a block: `post`, `post_after`, `post_no_bn`, `pre`, `relu_ic_conv`, `ic_conv_relu` or
            `conv_relu_ic`.
        dropout: one rate in [0, 1). In the last three orders dropout stands wherever IC does, in the others right
            before the last weight layer of each branch.
        shortcut: where the shape changes: `projection` (1x1 convolution), `projection_bn` (with Batch Normalization
            behind it) or, for basic blocks, `zero_pad` (every second position, further channels zero).
        width: factor on all filters, rounded.
        name: of the model.
        **options: of `kbnd.models.LayerOptions`: activation, momentum and epsilon of Batch Normalization.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        TypeError: a keyword that is none of these.
        UsageError: an unknown option, a depth that does not fit the block, or options that exclude each other.
    """
    network = Residual(depth, block=block, order=order, shortcut=shortcut, width=width, dropout=dropout)
    plan = place_residual(network, options)
    check_input("resnet", (), input_shape, classes)
    from kbnd.models import blocks  # Keras starts here, so that the tables above are readable without it

    return blocks.network(parts(network, classes=classes), plan, input_shape=input_shape, name=name)
