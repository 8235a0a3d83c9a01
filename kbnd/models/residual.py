"""Residual networks without Keras: which blocks, which steps in each unit, where Batch Normalization and Dropout stand.

The steps of a unit are those of `kbnd.models.placement.ORDER`; `RULES` says what else an order means:

| order          | branch of a basic block        | after the addition | stem           | head    | D    |
|----------------|--------------------------------|--------------------|----------------|---------|------|
| `post`         | conv BN relu D, conv BN        | relu               | conv BN relu   |         | one  |
| `post_after`   | conv relu BN D, conv           | relu BN            | conv relu BN   |         | one  |
| `post_no_bn`   | conv relu D, conv              | relu               | conv relu      |         | one  |
| `pre`          | BN relu conv, BN relu D conv   |                    | conv           | BN relu | one  |
| `relu_ic_conv` | relu BN D conv, relu BN D conv |                    | conv           | relu BN | each |
| `ic_conv_relu` | BN D conv relu, BN D conv relu |                    | conv           | BN      | each |
| `conv_relu_ic` | conv relu BN D, conv relu BN D |                    | conv relu BN D |         | each |

BN is Batch Normalization, D dropout, which stands in one unit of the branch or in each.
Dropout in one unit of the branch stands right before its last weight layer. All orders but `post_no_bn` have the same
number of trainable parameters: what the head normalises in one, the stem normalises in another.

References: He et al., "Deep residual learning for image recognition", CVPR 2016 (`post`); He et al., "Identity
mappings in deep residual networks", ECCV 2016 (`pre`); Chen et al., arXiv 1905.05928 (2019) (the last three,
IC meaning BN and dropout).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kbnd.errors import UsageError, checked_rate, checked_whole, unknown
from kbnd.models.options import LayerOptions, check_layers, completed
from kbnd.models.placement import ORDER, Placed, Plan, Unit
from kbnd.models.sizes import scaled

STAGES = (16, 32, 64)
"""Filters of the 3x3 convolutions by stage; each stage but the first halves height and width."""


MOST_DEPTH = 5_000
"""Weight layers on the longest path; He et al. went to 1,202."""


@dataclass(frozen=True)
class BlockKind:
    """The weight layers of a block's branch: kernels in their order, and the last one's filters over the others'."""

    kernels: tuple[int, ...]
    expansion: int


BLOCKS = {"basic": BlockKind((3, 3), 1), "bottleneck": BlockKind((1, 3, 1), 4)}

SHORTCUTS: dict[str, tuple[str, ...]] = {
    "projection": ("weight",),
    "projection_bn": ("weight", "batch_norm"),
    "zero_pad": ("zero_pad",),
}
"""Steps of the shortcut where the shape changes; elsewhere it is the block's input itself."""


@dataclass(frozen=True)
class Rules:
    """What an order means outside a single unit.

    Attributes:
        stem: steps of the first convolution.
        head: steps between the last block and the global average pooling.
        merged_from: the step of a branch's last unit from which on its steps stand after the addition; None is none.
        dropped: index of the unit of a branch that carries dropout; None is each.
    """

    stem: tuple[str, ...]
    head: tuple[str, ...] = ()
    merged_from: str | None = None
    dropped: int | None = None


NEXT_TO_LAST, LAST = -2, -1

RULES: dict[str, Rules] = {
    "post": Rules(stem=("weight", "batch_norm", "activation"), merged_from="activation", dropped=NEXT_TO_LAST),
    "post_after": Rules(stem=("weight", "activation", "batch_norm"), merged_from="activation", dropped=NEXT_TO_LAST),
    "post_no_bn": Rules(stem=("weight", "activation"), merged_from="activation", dropped=NEXT_TO_LAST),
    "pre": Rules(stem=("weight",), head=("batch_norm", "activation"), dropped=LAST),
    "relu_ic_conv": Rules(stem=("weight",), head=("activation", "batch_norm")),
    "ic_conv_relu": Rules(stem=("weight",), head=("batch_norm",)),
    "conv_relu_ic": Rules(stem=("weight", "activation", "batch_norm", "dropout")),
}


@dataclass(frozen=True)
class Residual:
    """A residual network by its options; `kbnd.models.resnets.resnet` says what they mean."""

    depth: int
    block: str = "basic"
    order: str = "post"
    shortcut: str = "projection"
    width: float = 1.0
    dropout: float = 0.0


@dataclass(frozen=True)
class Block:
    """A residual block: merged(branch(x) + shortcut(x)).

    Attributes:
        name: `stage2_block1`.
        branch: its units.
        shortcut: the unit of a shortcut that changes the shape; None is the identity.
        merged: the last unit's steps that stand after the addition.
    """

    name: str
    branch: tuple[Placed, ...]
    shortcut: Placed | None
    merged: Placed


def place_residual(network: Residual, options: LayerOptions) -> Plan:
    """Check a residual network, and return what `kbnd.models.blocks` needs beside its parts.

    Raises:
        TypeError: an option that there is not.
        UsageError: an unknown block, order, shortcut or activation, a depth that does not fit the block, a value out
            of range, or options that exclude each other.
    """
    settings = completed("resnet", options, LayerOptions)
    for kind, received, allowed in (
        ("block", network.block, BLOCKS),
        ("order", network.order, RULES),
        ("shortcut", network.shortcut, SHORTCUTS),
    ):
        if not isinstance(received, str) or received not in allowed:
            raise unknown(f"{kind} of resnet", received, allowed)
    _check_depth(network.depth, network.block)
    _check_shortcut(network)
    for filters in STAGES:
        scaled(filters, network.width)
    rate = checked_rate(network.dropout)
    check_layers(settings)
    units = [placed for part in parts(network, classes=2) for placed in _units_of(part)]
    return Plan(
        order=ORDER[network.order],
        batch_norm=frozenset(placed.unit.name for placed in units if "batch_norm" in placed.steps),
        dropout={placed.unit.name: rate for placed in units if "dropout" in placed.steps},
        activation=settings["activation"],
        batch_norm_momentum=settings["batch_norm_momentum"],
        batch_norm_epsilon=settings["batch_norm_epsilon"],
    )


def parts(network: Residual, *, classes: int) -> tuple[Placed | Block, ...]:
    """Return stem, blocks, head and logits of a checked network, with the steps of each unit."""
    rules = RULES[network.order]
    stem = Unit("conv1", "conv", scaled(STAGES[0], network.width), kernel=3, padding=1, has_bias=False)
    return (
        Placed(stem, tuple(step for step in rules.stem if step != "dropout" or network.dropout)),
        *_blocks(network),
        Placed(Unit("head", "head"), (*rules.head, "global_pool")),
        Placed(Unit("logits", "logits", classes), ("weight",)),
    )


def depths(block: str) -> tuple[int, int]:
    """Return (a, b) such that blocks of a kind make the depths a n + b, n from 1."""
    return len(STAGES) * len(BLOCKS[block].kernels), 2


def _blocks(network: Residual) -> Iterator[Block]:
    slope, offset = depths(network.block)
    n_in = scaled(STAGES[0], network.width)
    for stage, filters in enumerate(STAGES, start=1):
        for number in range(1, (network.depth - offset) // slope + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            name = f"stage{stage}_block{number}"
            units = _units(name, network.block, scaled(filters, network.width), stride)
            shortcut = Unit(f"{name}_shortcut", "conv", units[-1].width, stride=stride, has_bias=False)
            has_change = stride > 1 or n_in != shortcut.width
            branch, merged = _branch(units, network)
            yield Block(name, branch, Placed(shortcut, SHORTCUTS[network.shortcut]) if has_change else None, merged)
            n_in = shortcut.width


def _units(name: str, block: str, filters: int, stride: int) -> list[Unit]:
    """Return the weight layers of a branch; the first one carries the stride."""
    kind = BLOCKS[block]
    last = len(kind.kernels)
    return [
        Unit(
            f"{name}_conv{i}",
            "conv",
            filters * (kind.expansion if i == last else 1),
            kernel=kernel,
            stride=stride if i == 1 else 1,
            padding=kernel // 2,
            has_bias=False,
        )
        for i, kernel in enumerate(kind.kernels, start=1)
    ]


def _branch(units: Sequence[Unit], network: Residual) -> tuple[tuple[Placed, ...], Placed]:
    """Return the units of a branch with their steps, and the steps of the last one that stand after the addition."""
    rules, order = RULES[network.order], ORDER[network.order]
    dropped = [] if not network.dropout else units if rules.dropped is None else [units[rules.dropped]]
    *others, last = (
        Placed(unit, tuple(step for step in order if step != "dropout" or unit in dropped)) for unit in units
    )
    n_inside = last.steps.index(rules.merged_from) if rules.merged_from else len(last.steps)
    inside, after = replace(last, steps=last.steps[:n_inside]), replace(last, steps=last.steps[n_inside:])
    return (*others, inside), after


def _units_of(part: Placed | Block) -> tuple[Placed, ...]:
    if isinstance(part, Placed):
        return (part,)
    return (*part.branch, *([part.shortcut] if part.shortcut else []), part.merged)


def _check_depth(depth: object, block: str) -> None:
    slope, offset = depths(block)
    if depth is None:
        raise UsageError(f"depth is missing: resnet of {block} blocks has {slope}n + {offset}, such as depth=20")
    depth = checked_whole(depth, "depth")
    if depth > MOST_DEPTH:
        raise UsageError(f"depth should be at most {MOST_DEPTH:,}, received {depth}")
    n = (depth - offset) // slope
    if n < 1 or depth != slope * n + offset:
        nearest = f"are {slope * n + offset} and {slope * (n + 1) + offset}" if n >= 1 else f"is {slope + offset}"
        raise UsageError(f"depth {depth} does not fit {block} blocks, {slope}n + {offset}: the nearest {nearest}")


def _check_shortcut(network: Residual) -> None:
    if network.shortcut == "zero_pad" and network.block != "basic":
        raise UsageError(f"shortcut 'zero_pad' belongs to basic blocks, received block {network.block!r}")
    if network.shortcut == "projection_bn" and network.order == "post_no_bn":
        raise UsageError("shortcut 'projection_bn' has Batch Normalization, which order 'post_no_bn' leaves out")
