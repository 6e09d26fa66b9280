"""From records to batches by tf.data: order, dequantisation, augmentation, sharing among workers.

Order and noise are pure functions of (seed, epoch, gather id): the same whatever the batch size, the number
of workers, the shards, or where in an epoch a run takes up again. Records are read where the index says they
lie, so an epoch is shuffled as a whole without a buffer, and memory does not grow with the survey.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.survey.records import Survey

FIXED_EPOCH = -1
"""Epoch of the noise of evaluation: training, which counts from 0, never draws it."""

SHIFTED_BY = 8
"""Largest shift of an augmented gather, in samples or traces: what events move by between near shots."""


def training_batches(
    survey: Survey,
    rows: np.ndarray,
    batch: int,
    seed: int,
    epoch: int,
    *,
    worker: int = 0,
    workers: int = 1,
    skip: int = 0,
    augment: Collection[str] | None = None,
) -> tf.data.Dataset:
    """Batches of one epoch, shuffled and dequantised.

    A worker takes every `workers`-th gather of the epoch's order. Every batch is full, so that a compiled
    step sees one shape: gathers left over at an epoch's end are dropped (other ones in every epoch), unless
    there is no full batch. All workers get equally many batches.

    Args:
        survey: Where to read.
        rows: Row numbers of the gathers to train on.
        batch: Gathers a batch of one worker.
        seed: Seed of order, noise and augmentation.
        epoch: Number of the epoch, from 0.
        worker: Number of this worker, from 0.
        workers: Number of workers.
        skip: Batches of this epoch that were done already.
        augment: Names from `AUGMENTATIONS`; none when None.

    Returns:
        Pictures in [0, 1), float32 `[batch, time, trace, 1]`: (level + u) / 256 with u uniform in [0, 1).

    Raises:
        InputError: There are fewer gathers than workers, or an augmentation is unknown.
    """
    if len(rows) < workers:
        raise InputError(
            f"{survey.path}: {len(rows)} gathers cannot be shared by {workers} workers; use fewer workers"
        )
    unknown = sorted(set(augment or ()) - set(AUGMENTATIONS))
    if unknown:
        raise InputError(f"augmentation {unknown[0]!r} is unknown; choose among {', '.join(AUGMENTATIONS)}")
    order = epoch_order(survey, rows, seed, epoch)
    share = order[worker::workers][: len(order) // workers]
    full = len(share) // batch * batch
    share = share[: full or None][skip * batch :]
    dataset = _dequantised(survey, share, seed, epoch, augment or ())
    return dataset.batch(batch, drop_remainder=bool(full)).prefetch(2)


def fixed_batches(survey: Survey, rows: np.ndarray, batch: int, seed: int) -> tf.data.Dataset:
    """Batches for evaluation: every row, in the order given, with noise that is the same each time.

    Args:
        survey: Where to read.
        rows: Row numbers.
        batch: Gathers a batch; the last one may be smaller.
        seed: Seed of the noise.

    Returns:
        Pictures in [0, 1), float32 `[batch, time, trace, 1]`.
    """
    return _dequantised(survey, rows, seed, FIXED_EPOCH, ()).batch(batch).prefetch(2)


def image_batches(survey: Survey, rows: np.ndarray, batch: int) -> tf.data.Dataset:
    """Batches of grey levels as they are stored, with their gather ids.

    Args:
        survey: Where to read.
        rows: Row numbers.
        batch: Gathers a batch; the last one may be smaller.

    Returns:
        Pairs of pictures, uint8 `[batch, time, trace]`, and ids, string `[batch]`, in the order given.
    """
    read = _reader(survey)
    places = _places(survey, rows) | {"gather_id": survey.index["gather_id"].to_numpy(str)[rows]}
    return _map(places, lambda place: (read(place), place["gather_id"])).batch(batch).prefetch(2)


def images(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Pictures of a small set, all in memory: height x width bytes a gather, 573 kB at 896 x 640.

    Args:
        survey: Where to read.
        rows: Row numbers.

    Returns:
        Grey levels, uint8 `[gather, time, trace]`.

    Raises:
        InputError: A record is damaged.
    """
    result = np.empty((len(rows), *survey.size), np.uint8)
    for number, row in enumerate(rows):
        result[number] = survey.read(int(row)).image
    return result


@contextlib.contextmanager
def reading(survey: Survey) -> Iterator[None]:
    """Turn what TensorFlow says about a damaged survey into one line that names shard, record and gather.

    Put it around whatever consumes a dataset of this module, such as `fit`.

    Args:
        survey: The survey that is read.

    Raises:
        InputError: A record is damaged, or a shard is gone or was cut short since the survey was opened.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as wrong:
        place = re.search(r"record at (\d+)", str(wrong))
        if place:
            survey.verify(np.flatnonzero(survey.index["offset_bytes"] == int(place[1])))
        if not isinstance(wrong, tf.errors.InvalidArgumentError):
            survey.verify()
        raise


def batches(survey: Survey, dataset: tf.data.Dataset) -> Iterator[Any]:
    """Iterate over a dataset of this module with `reading` around each step.

    Args:
        survey: The survey that is read.
        dataset: What to iterate over.

    Yields:
        The dataset's elements.

    Raises:
        InputError: A record is damaged.
    """
    elements = iter(dataset)
    while True:
        with reading(survey):
            element = next(elements, None)
        if element is None:
            return
        yield element


def epoch_order(survey: Survey, rows: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Rows in the order of an epoch: sorted by the hash of (seed, epoch, gather id).

    Args:
        survey: Whose rows they are.
        rows: Row numbers, in any order.
        seed: Seed of the order.
        epoch: Number of the epoch.

    Returns:
        The same rows in another order.
    """
    rows = np.asarray(rows, np.int64)
    ids = survey.index["gather_id"].to_numpy()[rows]
    digests = [_digest("order", seed, epoch, gather_id) for gather_id in ids]
    return rows[sorted(range(len(rows)), key=digests.__getitem__)]


def _digest(purpose: str, seed: int, epoch: int, gather_id: str) -> bytes:
    return hashlib.blake2b(f"{purpose}/{seed}/{epoch}/{gather_id}".encode(), digest_size=16).digest()


def _keys(survey: Survey, rows: np.ndarray, purpose: str, seed: int, epoch: int) -> np.ndarray:
    """Seeds of TensorFlow's stateless draws, int64 `[row, 2]`."""
    ids = survey.index["gather_id"].to_numpy()[rows]
    joined = b"".join(_digest(purpose, seed, epoch, gather_id) for gather_id in ids)
    return np.frombuffer(joined, "<i8").reshape(-1, 2).astype(np.int64)


def _places(survey: Survey, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Where the rows' records lie."""
    numbers = {shard.file: number for number, shard in enumerate(survey.manifest.shards)}
    index = survey.index.iloc[rows]
    return {
        "shard": index["shard"].map(numbers).to_numpy(np.int64),
        "offset_bytes": index["offset_bytes"].to_numpy(np.int64),
    }


def _map(places: dict[str, np.ndarray], function: Callable[[dict[str, tf.Tensor]], Any]) -> tf.data.Dataset:
    dataset = tf.data.Dataset.from_tensor_slices(places)
    dataset = dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    options.deterministic = True
    # The rows are shared out here, by worker; TensorFlow must not share them out once more.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _reader(survey: Survey) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """A function of the graph that reads one picture, uint8 `[time, trace]`, and checks its checksums."""
    height, width = survey.size
    shards = [str((survey.path / shard.file).absolute()) for shard in survey.manifest.shards]

    def read(place: dict[str, tf.Tensor]) -> tf.Tensor:
        # A dataset for one record: the only reader of TensorFlow that starts at an offset and checks the CRC.
        # Unbuffered, because it reads one record of known length and no more.
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=[tf.gather(tf.constant(shards), place["shard"])],
            compression_type="",
            buffer_size=tf.constant(0, tf.int64),
            byte_offsets=[place["offset_bytes"]],
        )
        record = (
            tf.data.experimental.from_variant(records, tf.TensorSpec([], tf.string))
            .take(1)
            .get_single_element()
        )
        example = tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature([], tf.string)})
        return tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), (height, width))

    return read


def _dequantised(
    survey: Survey, rows: np.ndarray, seed: int, epoch: int, augment: Collection[str]
) -> tf.data.Dataset:
    read = _reader(survey)
    rows = np.asarray(rows, np.int64)
    places = _places(survey, rows) | {"noise": _keys(survey, rows, "noise", seed, epoch)}
    for name in augment:
        places[name] = _keys(survey, rows, name, seed, epoch)
    valid = survey.index[["valid_samples", "valid_traces"]].to_numpy(np.int64)[rows]

    def picture(place: dict[str, tf.Tensor]) -> tf.Tensor:
        image = read(place)
        for name, change in AUGMENTATIONS.items():
            if name in augment:
                image = change(image, place["valid"], place[name])
        return dequantise(image, place["noise"])[..., tf.newaxis]

    return _map(places | {"valid": valid}, picture)


def dequantise(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Spread grey levels over their intervals: (level + u) / 256, u uniform in [0, 1).

    u has 16 bits, which with the level's 8 are the 24 that float32 holds: the sum is exact, stays below 1,
    and `floor(256 x)` gives every level back. A u of more bits would be rounded up into the next level at
    times.

    Args:
        image: Grey levels, uint8, any shape.
        key: Seed of the noise, int64 `[2]`.

    Returns:
        float32 in [0, 1), same shape.
    """
    count = tf.size(image)
    words = tf.random.stateless_uniform(
        [(count + 1) // 2], key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    fine = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:count], tf.shape(image))
    level = tf.cast(image, tf.float32) * 2.0**16 + tf.cast(fine, tf.float32)
    return tf.ensure_shape(level * 2.0**-24, image.shape)


def _shift(image: tf.Tensor, valid: tf.Tensor, key: tf.Tensor, axis: int) -> tf.Tensor:
    """Move the valid region along an axis; its mirror image comes in at the border, and padding stays."""
    shift = tf.random.stateless_uniform([], key, -SHIFTED_BY, SHIFTED_BY + 1, tf.int64, alg="philox")
    last = valid[axis] - 1
    positions = tf.range(image.shape[axis], dtype=tf.int64)
    moved = last - tf.abs(last - tf.abs(positions - shift))
    return tf.gather(
        image, tf.where(positions <= last, tf.clip_by_value(moved, 0, last), positions), axis=axis
    )


def _polarity(image: tf.Tensor, valid: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Turn half of the gathers about mid-grey, which keeps zero and padding; level 0 becomes 255."""
    del valid
    turned = tf.cast(tf.minimum(256 - tf.cast(image, tf.int32), 255), tf.uint8)
    return tf.where(tf.random.stateless_uniform([], key, 0, 2, tf.int32, alg="philox") == 1, turned, image)


AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "shift_time": lambda image, valid, key: _shift(image, valid, key, 0),
    "shift_trace": lambda image, valid, key: _shift(image, valid, key, 1),
    "polarity": _polarity,
}
"""Augmentations by name: (image uint8 `[time, trace]`, valid samples and traces int64 `[2]`, seed int64
`[2]`) -> image. They are applied in this order."""
