"""The child process that decodes one dataset of tensorflow-datasets: the only importer of TensorFlow in kbnd.data.

    python -m kbnd.data.decoding '{"data": {...}, "download": true, "force": false}'

It ends with the exit code of the error that stopped it and writes that error's sentence to standard output, in UTF-8;
progress goes to standard error. It holds the cache's lock itself, so that it may outlive a killed parent.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np

from kbnd.data import cache, pixels, tfds
from kbnd.data.catalogue import DATASETS
from kbnd.data.sizes import stack
from kbnd.data.sources import is_cached, key_for
from kbnd.data.splits import Arrays, arrange
from kbnd.errors import InterruptedRunError, KbndError, UsageError
from kbnd.quiet import held_stderr, warnings_in_a_line
from kbnd.spec import DataSpec
from kbnd.streams import standard

TEST_PARTS = ("test", "validation")
"""Which part is the test part, best first; a sixth of `train` where a dataset has neither. Beside `test`, `validation`
is what it says."""

BATCH = 1024
"""Images of one size cross from TensorFlow in batches of this many: one by one, MNIST takes twice as long."""

PROBE_S = 10
"""tensorflow-datasets retries a dead network for minutes; one request of this length asks first."""


def main(arguments: list[str]) -> int:
    """Decode what the request names; return the exit code."""
    request = json.loads(arguments[0])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # as the parent reads it
    try:
        with standard(), contextlib.redirect_stdout(sys.stderr), warnings_in_a_line():
            decode(DataSpec(**request["data"]), download=request["download"], force=request["force"])
    except KbndError as error:
        print(error)
        return error.exit_code
    except KeyboardInterrupt:
        return InterruptedRunError.exit_code
    return 0


def decode(spec: DataSpec, *, download: bool, force: bool) -> None:
    """Put one dataset into the cache, unless another process has done so while this one waited."""
    with cache.lock(tfds.cache_key(spec.name)):
        if not force and is_cached(spec):
            return
        builder = _builder(spec.name)
        features = _features(builder, spec.name)  # before gigabytes are downloaded for nothing
        _prepare(builder, spec.name, download=download)
        arrays, is_uniform = _arrays(builder, spec, *features)
        cache.write(key_for(spec, is_uniform=is_uniform), arrays, name=spec.name, source=str(builder.data_dir))


def _builder(name: str) -> Any:
    """Import TensorFlow and look for devices without the lines that both write, then find the dataset."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    with held_stderr():
        import tensorflow
        import tensorflow_datasets

        tensorflow.config.list_physical_devices()
    return tensorflow_datasets.builder(name, data_dir=str(tfds.data_dir()))


def _prepare(builder: Any, name: str, *, download: bool) -> None:
    """Have a dataset prepared on disk, downloading it if it must be."""
    import requests
    import tensorflow_datasets
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError

    if builder.is_prepared():
        return
    if not download:
        raise tfds.missing(name, "downloading was declined")
    if getattr(builder, "MANUAL_DOWNLOAD_INSTRUCTIONS", None):
        raise tfds.missing(name, "has to be downloaded by hand (see its page in the catalogue of tensorflow-datasets)")
    config = tensorflow_datasets.download.DownloadConfig(try_download_gcs=False)
    try:
        for url in list(getattr(builder, "url_infos", {}))[:1]:
            requests.head(url, timeout=PROBE_S, allow_redirects=True)
        with cache.disk_errors(tfds.data_dir(), variable="TFDS_DATA_DIR"):
            builder.download_and_prepare(download_config=config)
    except (requests.RequestException, DownloadError, NonMatchingChecksumError) as error:
        raise tfds.missing(name, f"could not be downloaded ({type(error).__name__})") from error


def _arrays(builder: Any, spec: DataSpec, image_key: str, label_key: str, classes: int) -> tuple[Arrays, bool]:
    """Return the dataset and whether its images had one size on disk."""
    if "train" not in builder.info.splits:
        raise UsageError(f"dataset {spec.name!r} has no part 'train', received {', '.join(builder.info.splits)}")
    test = next((part for part in TEST_PARTS if part in builder.info.splits), None)
    names = ["train", *([test] if test else []), *(["validation"] if {*TEST_PARTS} <= {*builder.info.splits} else [])]
    read = _read if spec.name in DATASETS else _read_as_seen  # those of the table are known to be plain
    parts = [read(builder, part, image_key, label_key) for part in names]
    try:
        splits, is_uniform = stack(parts, name=spec.name, size=spec.image_size, how=spec.fit)
    except (ImportError, NotImplementedError) as error:
        raise UsageError(
            f"dataset {spec.name!r} is prepared in files of a kind, {builder.info.file_format.value}, that cannot be "
            f"read here ({str(error).splitlines()[0]}): prepare it as tfrecord"
        ) from error
    if any(len(split) and split.labels.min() < 0 for split in splits):
        raise UsageError(f"dataset {spec.name!r} has images without a label and cannot be used for classification")
    own_test, validation = (*splits[1:], None, None)[:2]
    return arrange(splits[0], own_test, classes=classes, validation=validation), is_uniform


def _features(builder: Any, name: str) -> tuple[str, str, int]:
    """Return the names of the image and the label, and the number of classes."""
    from tensorflow_datasets.core.features import ClassLabel, Image

    keys = builder.info.supervised_keys
    features = builder.info.features
    is_pair = isinstance(keys, tuple) and len(keys) == 2
    if not (is_pair and isinstance(features[keys[0]], Image) and isinstance(features[keys[1]], ClassLabel)):
        raise UsageError(
            f"dataset {name!r} is no image classification dataset: it needs images, "
            f"each with one class; choose from {', '.join(DATASETS)} or another of that kind"
        )
    if features[keys[0]].dtype != np.uint8:
        raise UsageError(f"dataset {name!r} has images of {features[keys[0]].dtype}, allowed is uint8")
    return keys[0], keys[1], features[keys[1]].num_classes


def _read(builder: Any, part: str, image_key: str, label_key: str) -> Iterator[tuple[np.ndarray, int]]:
    """The images and labels of one part, in the order in which they are stored."""
    import tensorflow_datasets

    if _is_streamed(builder):
        examples = builder.as_dataset(split=part, shuffle_files=False)
    else:
        feature = builder.info.features[image_key]
        stored = _stored(builder, part, image_key, label_key)
        examples = stored.map(lambda one: one | {image_key: feature.decode_example(one[image_key])})
    pairs = examples.map(lambda example: (example[image_key], example[label_key]))
    for images, labels in tensorflow_datasets.as_numpy(pairs.batch(BATCH)):
        yield from zip(images, map(int, labels), strict=True)


def _read_as_seen(builder: Any, part: str, image_key: str, label_key: str) -> Iterator[tuple[np.ndarray, int]]:
    """Like `_read`, but upright and on white, which TensorFlow's decoder knows nothing of.

    References:
        https://github.com/tensorflow/datasets/issues/3202 (orientation)
    """
    import tensorflow_datasets

    feature = builder.info.features[image_key]
    examples = _stored(builder, part, image_key, label_key)
    triples = examples.map(lambda one: (one[image_key], feature.decode_example(one[image_key]), one[label_key]))
    for content, image, label in tensorflow_datasets.as_numpy(triples):
        n_channels = image.shape[-1]
        if n_channels in (1, 3) and not pixels.is_plain(content):
            name = f"of dataset {builder.info.name!r}"
            image = pixels.decoded(BytesIO(content), is_grey=n_channels == 1, name=name).pixels
        yield image, int(label)


def _stored(builder: Any, part: str, image_key: str, label_key: str) -> Any:
    """A part as TensorFlow's dataset of examples whose images are not decoded yet."""
    import tensorflow as tf
    import tensorflow_datasets

    skip = {image_key: tensorflow_datasets.decode.SkipDecoding()}
    if _is_streamed(builder):
        return builder.as_dataset(split=part, shuffle_files=False, decoders=skip)
    source = builder.as_data_source(split=part, decoders=skip)
    kinds = {image_key: tf.TensorSpec((), tf.string), label_key: tf.TensorSpec((), tf.int64)}
    examples = ({key: example[key] for key in kinds} for example in source)
    return tf.data.Dataset.from_generator(lambda: examples, output_signature=kinds)


def _is_streamed(builder: Any) -> bool:
    """Whether TensorFlow reads the files of a dataset itself; those of `array_record` are read one by one."""
    from tensorflow_datasets.core.file_adapters import FileFormat

    return builder.info.file_format in FileFormat.with_tf_data()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
