"""Named datasets as uint8 arrays: decoded once, cached, split the same way for everyone, ordered by seed.

    spec --> catalogue (names, sizes) --> sources (digits | folder | tfds) --> cache --> dataset (split, fit)

Importing this package imports no backend; TensorFlow runs in a child process and only to decode.
"""

from kbnd.data.catalogue import DATASETS, label_for, note_for, resolve, training_defaults
from kbnd.data.dataset import Dataset, fingerprint, load
from kbnd.data.inventory import Availability, available, prepare, verify
from kbnd.data.order import epoch_order
from kbnd.data.splits import Split

__all__ = [
    "DATASETS",
    "Availability",
    "Dataset",
    "Split",
    "available",
    "epoch_order",
    "fingerprint",
    "label_for",
    "load",
    "note_for",
    "prepare",
    "resolve",
    "training_defaults",
    "verify",
]
