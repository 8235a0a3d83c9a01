"""What a run is: frozen, validated descriptions with one canonical JSON text and digests made from it.

| module     | subject                                                               |
|------------|-----------------------------------------------------------------------|
| `run`      | `RunSpec`: a network, its data, its training                          |
| `fields`   | the kinds of fields, the base of all specs, a refusal as one sentence |
| `identity` | canonical text, digests, and the setting that a run id is made from   |
"""

from kbnd.spec.fields import LARGEST, NAME_IN_WORDS, NAME_PATTERN, Flag, Name, Number, Positive, Spec, sentence
from kbnd.spec.identity import PROTOCOL, Identity, canonical_json, digest
from kbnd.spec.run import (
    TABLES,
    DataSpec,
    DropoutScheduleName,
    InitialWeights,
    LearningRateSchedule,
    ModelSpec,
    RunSpec,
    TrainSpec,
)

__all__ = [
    "LARGEST",
    "NAME_IN_WORDS",
    "NAME_PATTERN",
    "PROTOCOL",
    "TABLES",
    "DataSpec",
    "DropoutScheduleName",
    "Flag",
    "Identity",
    "InitialWeights",
    "LearningRateSchedule",
    "ModelSpec",
    "Name",
    "Number",
    "Positive",
    "RunSpec",
    "Spec",
    "TrainSpec",
    "canonical_json",
    "digest",
    "sentence",
]
