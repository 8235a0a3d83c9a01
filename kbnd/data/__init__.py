"""Named datasets as uint8 arrays: decoded once, cached, split the same way for everyone, ordered by seed.

    spec --> catalogue (names, sizes) --> sources (digits | folder | tfds) --> cache --> dataset (split, fit)

| module      | subject                                                                |
|-------------|------------------------------------------------------------------------|
| `catalogue` | the table of named datasets: sizes, splits, labels                     |
| `dataset`   | a spec becomes train, validation and test images                       |
| `sources`   | where a dataset comes from, and its key in the cache                   |
| `digits`    | the handwritten digits that scikit-learn brings                        |
| `folder`    | a folder of class folders                                              |
| `tfds`      | tensorflow-datasets, seen from a process without TensorFlow            |
| `decoding`  | the child process that decodes                                         |
| `cache`     | arrays decoded once and memory-mapped after that                       |
| `splits`    | stratified order, of which every split is a slice; the fingerprint     |
| `sizes`     | bringing images to the size a network sees                             |
| `order`     | the order of the training images, by seed and epoch                    |
| `inventory` | what data are at hand: listed, prepared, verified                      |

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
