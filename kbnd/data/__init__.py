"""Named datasets as uint8 arrays: decoded once, cached, split the same way for everyone, ordered by seed.

    spec --> catalogue (names, sizes) --> sources (digits | folder | tfds) --> cache --> dataset (split, fit)
                                                               layout, pixels --> census (what a folder holds)

| module      | subject                                                                |
|-------------|------------------------------------------------------------------------|
| `catalogue` | the table of named datasets: sizes, splits, labels                     |
| `dataset`   | a spec becomes train, validation and test images                       |
| `sources`   | where a dataset comes from, and its key in the cache                   |
| `digits`    | the handwritten digits that scikit-learn brings                        |
| `folder`    | a folder of class folders                                              |
| `layout`    | what a folder means: splits, classes, what is left out                 |
| `entries`   | which entries of a folder count                                        |
| `pixels`    | one image file, as a person sees it                                    |
| `census`    | what a folder holds, counted, and twins                                |
| `tfds`      | tensorflow-datasets, seen from a process without TensorFlow            |
| `decoding`  | the child process that decodes                                         |
| `cache`     | arrays decoded once and memory-mapped after that                       |
| `manifest`  | what a cached dataset says of itself                                   |
| `splits`    | stratified order, of which every split is a slice; the fingerprint     |
| `sizes`     | bringing images to the size a network sees                             |
| `order`     | the order of the training images, by seed and epoch                    |
| `inventory` | what data are at hand: listed, prepared, verified                      |

Importing this package imports no backend; TensorFlow runs in a child process and only to decode.
"""

from kbnd.data.catalogue import DATASETS, is_folder, label_for, note_for, resolve, training_defaults
from kbnd.data.census import Census
from kbnd.data.dataset import Dataset, fingerprint, load
from kbnd.data.inventory import Availability, available, census_of, prepare, verify
from kbnd.data.order import epoch_order
from kbnd.data.splits import Split

__all__ = [
    "DATASETS",
    "Availability",
    "Census",
    "Dataset",
    "Split",
    "available",
    "census_of",
    "epoch_order",
    "fingerprint",
    "is_folder",
    "label_for",
    "load",
    "note_for",
    "prepare",
    "resolve",
    "training_defaults",
    "verify",
]
