"""What a run is: a network, its data and its training, each a frozen, validated spec."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kbnd.spec.fields import Flag, Name, Natural, Number, Positive, Rate, Spec, Whole
from kbnd.spec.identity import PROTOCOL, Identity, digest

Placement = Literal["none", "before_activation", "after_activation", "before_weight"]
InitialWeights = Literal["torch_default", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "d2l_gaussian"]
LearningRateSchedule = Literal["constant", "step", "cosine"]
DropoutScheduleName = Literal["constant", "early", "late", "linear"]


MOST_EPOCHS = 1_000_000
"""Of a training; each leaves a row in the ledger."""

MOST_SIDE = 4_096
"""Height and width of the images that a network sees."""

Side = Annotated[Positive, Field(le=MOST_SIDE)]


class ModelSpec(Spec):
    """Which network, and where its Batch Normalization and Dropout layers are.

    Attributes:
        name: registered builder, such as ``lenet5``.
        batch_norm: placement within each unit that carries BN.
        batch_norm_sites: kinds (`conv`, `dense`) or single units (`conv1`) with BN; None is the network's default.
            Sites go with a `batch_norm` or a `dropout` that is said, be it none or 0.
        dropout: rate in [0, 1) at every dropout site, or a mapping site -> rate.
        dropout_sites: kinds or units with dropout; None is the network's default.
        batch_norm_momentum: weight of the old moving statistics in their update.
        batch_norm_epsilon: added to the variance.
        options: further keyword arguments of the builder.
    """

    name: Name
    batch_norm: Placement = "none"
    batch_norm_sites: tuple[Name, ...] | None = None
    dropout: Rate | dict[Name, Rate] = 0.0
    dropout_sites: tuple[Name, ...] | None = None
    batch_norm_momentum: Annotated[Number, Field(ge=0.0, lt=1.0)] = 0.9
    batch_norm_epsilon: Annotated[Number, Field(gt=0.0)] = 1e-5
    options: dict[Name, str | Whole | Number | Flag | list[Whole] | list[Number] | list[str] | None] = {}


class DataSpec(Spec):
    """Which images, and how they are brought to the size the network sees.

    Attributes:
        name: `digits`, a tensorflow-datasets name, or `folder:PATH`.
        n_train: training images used (a stratified subset); None is all that the split leaves.
        n_validation: images carved from the training part, stratified, or the first of those that a dataset brings
            for it; None is the dataset's default, or all that it brings.
        image_size: (height, width) the network sees; None is the dataset's default.
        fit: `pad` enlarges by a whole factor (nearest) and pads with zeros; `bilinear` resamples.
        standardise: `per_channel` takes the training images' mean from each channel of every split and divides by
            their standard deviation, after the pixels were scaled to [0, 1].
    """

    name: Annotated[str, Field(min_length=1)] = "digits"
    n_train: Positive | None = None
    n_validation: Natural | None = None
    image_size: tuple[Side, Side] | None = None
    fit: Literal["pad", "bilinear"] = "pad"
    standardise: Literal["none", "per_channel"] = "none"


class TrainSpec(Spec):
    """How the network is trained and when it is evaluated.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step; the last, smaller batch is kept.
        optimizer: `sgd` or `adam`.
        learning_rate: step size, before any schedule.
        momentum: of SGD, in [0, 1).
        schedule: of the learning rate, by epoch: `constant`, `step` or `cosine` (to 0, without restarts).
        milestones: of `step`: epochs after which the rate changes, ascending.
        multipliers: of `step`: what `learning_rate` is multiplied by after each milestone (not cumulative).
        weight_decay: coefficient on every trainable weight; 0 is none.
        weight_decay_mode: `coupled` adds weight_decay * w to each gradient (L2 in the loss, PyTorch's `weight_decay`);
            `decoupled` takes learning_rate * weight_decay * w from each weight (AdamW).
        initial_weights: scheme of `kbnd.training.initial.SCHEMES`; `xavier_uniform` and `xavier_normal` are read as
            `glorot_uniform` and `glorot_normal`.
        initial_gain: factor on the initial kernels.
        augmentation: `crop_flip` pads by 4, crops at random and flips left to right with probability 1/2.
        dropout_schedule: of every dropout rate, by epoch: `constant`; `early` is off after the first
            `dropout_schedule_epochs` epochs, `late` until then, `linear` falls to 0 over them.
        dropout_schedule_epochs: see `dropout_schedule`.
        validation_curve: evaluate the validation images after every epoch.
        test_curve: evaluate the test images after every epoch, for sources that did so; never to select.
        n_train_eval: training images evaluated in eval mode after every epoch (0 is none).
    """

    epochs: Annotated[Positive, Field(le=MOST_EPOCHS)] = 5
    batch_size: Positive = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: Annotated[Number, Field(gt=0.0)] = 0.05
    momentum: Annotated[Number, Field(ge=0.0, lt=1.0)] = 0.0
    schedule: LearningRateSchedule = "constant"
    milestones: tuple[Positive, ...] = ()
    multipliers: tuple[Annotated[Number, Field(gt=0.0)], ...] = ()
    weight_decay: Annotated[Number, Field(ge=0.0)] = 0.0
    weight_decay_mode: Literal["coupled", "decoupled"] = "coupled"
    initial_weights: InitialWeights = "torch_default"
    initial_gain: Annotated[Number, Field(gt=0.0)] = 1.0
    augmentation: Literal["none", "crop_flip"] = "none"
    dropout_schedule: DropoutScheduleName = "constant"
    dropout_schedule_epochs: Natural = 0
    validation_curve: Flag = True
    test_curve: Flag = False
    n_train_eval: Natural = 0

    @field_validator("initial_weights", mode="before")
    @classmethod
    def _xavier_is_glorot(cls, value: Any) -> Any:
        return value.replace("xavier", "glorot") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _options_have_their_host(self) -> TrainSpec:
        """Refuse an option that would be read by nobody."""
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f"momentum belongs to optimizer 'sgd', received momentum {self.momentum} with {self.optimizer!r}"
            )
        if self.weight_decay_mode != "coupled" and not self.weight_decay:
            raise ValueError(f"weight_decay_mode {self.weight_decay_mode!r} needs a weight_decay above 0")
        self._check_milestones()
        is_scheduled = self.dropout_schedule != "constant"
        if is_scheduled != bool(self.dropout_schedule_epochs):
            raise ValueError(
                "dropout_schedule 'early', 'late' or 'linear' and dropout_schedule_epochs above 0 belong together, "
                f"received {self.dropout_schedule!r} and {self.dropout_schedule_epochs}"
            )
        if self.dropout_schedule in ("early", "late") and self.dropout_schedule_epochs >= self.epochs:
            raise ValueError(
                f"dropout_schedule_epochs should lie below the {self.epochs} epochs trained, or "
                f"{self.dropout_schedule!r} would change nothing, received {self.dropout_schedule_epochs}"
            )
        return self

    def _check_milestones(self) -> None:
        steps, factors = self.milestones, self.multipliers
        if (self.schedule == "step") != bool(steps) or len(steps) != len(factors):
            raise ValueError(
                "schedule 'step' needs milestones and as many multipliers, other schedules have none, received "
                f"{self.schedule!r} with milestones {list(steps)} and multipliers {list(factors)}"
            )
        if list(steps) != sorted(set(steps)):
            raise ValueError(f"milestones should ascend, received {list(steps)}")
        if steps and steps[-1] >= self.epochs:
            raise ValueError(f"milestones should lie below the {self.epochs} epochs trained, received {list(steps)}")


class RunSpec(Spec):
    """One training: a recipe, a seed (from 1) and a replicate (0 unless the run is repeated for its time)."""

    model: ModelSpec
    data: DataSpec
    train: TrainSpec
    seed: Positive = 1
    replicate: Natural = 0
    precision: Literal["float32"] = "float32"

    @model_validator(mode="after")
    def _schedule_has_dropout(self) -> RunSpec:
        rates = self.model.dropout.values() if isinstance(self.model.dropout, dict) else [self.model.dropout]
        if self.train.dropout_schedule != "constant" and not any(rates):
            raise ValueError(f"dropout_schedule {self.train.dropout_schedule!r} needs a network with dropout above 0")
        return self

    @property
    def recipe_id(self) -> str:
        """Digest of the canonical spec without seed and replicate."""
        return digest({k: v for k, v in self.canonical().items() if k not in ("seed", "replicate")})

    def run_id(self, identity: Identity) -> str:
        """Digest of the whole canonical spec in the setting it is trained in."""
        return digest({"spec": self.canonical(), "seed": self.seed, **asdict(identity), "protocol": PROTOCOL})

    def canonical(self) -> dict[str, Any]:
        """The spec as JSON values without the fields that are at their default."""
        return self.model_dump(mode="json", exclude_defaults=True)


TABLES: dict[str, type[Spec]] = {"model": ModelSpec, "data": DataSpec, "train": TrainSpec}
"""The tables of a run, as TOML files and the paths of hyperparameters name them."""
