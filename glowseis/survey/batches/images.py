"""From records to batches, with tf.data: order, dequantisation, augmentation, sharing among workers.

Order and noise are pure functions of (seed, epoch, gather id): the same whatever the batch size, the number of workers,
the shards, or where in an epoch a run resumes. A gather that is given several times, to weigh more, has its own place
and noise each time. Records are read at their places in the index, so an epoch is shuffled as a whole without a buffer,
and memory does not grow with the survey.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.survey.batches.augment import AUGMENTATIONS
from glowseis.survey.batches.cutting import WINDOWS, cut_each, drawn_starts, remaining
from glowseis.survey.batches.order import digest, id_order, numbered_names, uniforms
from glowseis.survey.store.survey import Survey

FIXED_EPOCH = -1
"""Epoch number of the noise for evaluation, which training, counting from 0, never uses."""

READ_AT_ONCE = 8
"""Fewest gathers that one call into Python reads."""


class Placed(Protocol):
    """Something with a path that is read, such as a survey."""

    @property
    def path(self) -> object:
        """Its path, for errors."""


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
    window: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Batches of one epoch, shuffled and dequantised.

    A worker takes every `workers`-th gather of the epoch's order. Every batch is full, so that a compiled step sees one
    shape: gathers left over at an epoch's end are dropped (different ones in every epoch), unless there is no full
    batch. All workers get equally many batches.

    Args:
        survey: Where to read.
        rows: Row numbers of the gathers to train on; they may repeat.
        batch: Gathers per batch of one worker.
        seed: Seed of order, noise and augmentation.
        epoch: Number of the epoch, from 0.
        worker: Number of this worker, from 0.
        workers: Number of workers.
        skip: Number of batches of this epoch that are done already.
        augment: Names from `AUGMENTATIONS`; none when None.
        window: Samples and traces of the window that is cut at a random place of a gather's valid region in each epoch;
            whole images when None.

    Returns:
        Images in [0, 1), float32 `[batch, time, trace, 1]`: (level + u) / 256 with u uniform in [0, 1).

    Raises:
        InputError: There are no gathers, fewer than workers, or an augmentation is unknown.
        ValueError: A number is out of its range.
    """
    if batch < 1 or workers < 1 or not 0 <= worker < workers:
        raise ValueError(
            f"batch is {batch}, worker {worker} of {workers}; batch and workers must be at least 1; count the "
            "workers from 0"
        )
    if epoch < 0 or skip < 0:
        raise ValueError(f"epoch is {epoch}, skip {skip}; count both from 0")
    if not len(rows):
        raise InputError(f"{survey.path}: there are no gathers to train on; choose labels that it has")
    if len(rows) < workers:
        raise InputError(f"{survey.path}: {len(rows)} gathers cannot be shared by {workers} workers; use fewer workers")
    unknown = sorted(set(augment or ()) - set(AUGMENTATIONS))
    if unknown:
        raise InputError(f"augmentation {unknown[0]!r} is unknown; choose among {', '.join(AUGMENTATIONS)}")
    rows = np.asarray(rows, np.int64)
    names = _names(survey, rows)
    share = id_order(names, seed, epoch)[worker::workers][: len(rows) // workers]
    full = len(share) // batch * batch
    share = share[: full or None][skip * batch :]
    named = [names[place] for place in share]
    return _dequantised(
        survey, rows[share], named, batch, seed, epoch, augment=augment or (), full=bool(full), window=window
    )


def fixed_batches(
    survey: Survey, rows: np.ndarray, batch: int, seed: int, window: tuple[int, int] | None = None
) -> tf.data.Dataset:
    """Batches for evaluation: every row, in the order given, with noise and windows that are the same each time.

    Args:
        survey: Where to read.
        rows: Row numbers.
        batch: Gathers per batch; the last one may be smaller.
        seed: Seed of the noise and of windows.
        window: Samples and traces of a window of each; whole images when None.

    Returns:
        Images in [0, 1), float32 `[batch, time, trace, 1]`.
    """
    return _dequantised(survey, rows, _names(survey, rows), batch, seed, FIXED_EPOCH, window=window)


def image_batches(survey: Survey, rows: np.ndarray, batch: int) -> tf.data.Dataset:
    """Batches of grey levels as they are stored, with their gather ids.

    Args:
        survey: Where to read.
        rows: Row numbers.
        batch: Gathers per batch; the last one may be smaller.

    Returns:
        Pairs of images, uint8 `[batch, time, trace]`, and ids, string `[batch]`, in the order given.
    """
    ids = survey.index["gather_id"].to_numpy(str)[rows]
    return _read(survey, rows, batch, {"gather_id": ids}, lambda image, extra: (image, extra["gather_id"]))


def images(survey: Survey, rows: np.ndarray, seed: int = 0, window: tuple[int, int] | None = None) -> np.ndarray:
    """Images of a small set, all in memory: 573 kB per gather at 896 x 640.

    Args:
        survey: Where to read.
        rows: Row numbers.
        seed: Seed of the windows.
        window: Samples and traces of a window of each, that of `fixed_batches`; whole images when None.

    Returns:
        Grey levels, uint8 `[gather, time, trace]`.

    Raises:
        InputError: A record is damaged.
    """
    if window is None:
        return survey.read_images(rows)
    starts, _ = _windows(survey, rows, _names(survey, rows), seed, FIXED_EPOCH, window)
    return cut_each(survey.read_images, np.asarray(rows, np.int64), starts, window)


@contextlib.contextmanager
def reading(survey: Placed) -> Iterator[None]:
    """Turn TensorFlow's errors about a damaged survey into one line that names shard, record and gather.

    Put it around code that consumes a dataset of this module, such as `fit`.

    Args:
        survey: The survey that is read.

    Raises:
        InputError: A record is damaged, or a shard was removed or cut short after the survey was opened.
    """
    try:
        yield
    except tf.errors.OpError as wrong:
        # The Survey's own error is text inside TensorFlow's.
        said = re.search(rf"{InputError.__name__}: (.*)", wrong.message)
        if said is None:
            wrong.add_note(f"while the survey {survey.path} was read")
            raise
        raise InputError(said[1]) from None


def batches(survey: Placed, dataset: tf.data.Dataset) -> Iterator[Any]:
    """Iterate over a dataset that reads a survey with `reading` around each step.

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
        survey: The survey of the rows.
        rows: Row numbers, in any order.
        seed: Seed of the order.
        epoch: Number of the epoch.

    Returns:
        The same rows in another order.
    """
    rows = np.asarray(rows, np.int64)
    return rows[id_order(_names(survey, rows), seed, epoch)]


def _names(survey: Survey, rows: np.ndarray) -> list[str]:
    return numbered_names(survey.index["gather_id"].to_numpy()[np.asarray(rows, np.int64)])


def _keys(names: list[str], purpose: str, seed: int, epoch: int) -> np.ndarray:
    """Seeds of TensorFlow's stateless draws, int64 `[name, 2]`."""
    joined = b"".join(digest(purpose, seed, epoch, name) for name in names)
    return np.frombuffer(joined, "<i8").reshape(-1, 2).astype(np.int64)


def _read(
    survey: Survey,
    rows: np.ndarray,
    batch: int,
    extra: dict[str, np.ndarray],
    finish: Callable[[tf.Tensor, dict[str, tf.Tensor]], Any],
    *,
    full: bool = False,
    window: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Batches of what `finish` makes of images and the data of their rows, in the order given.

    With a window, `extra` has its first sample and trace as `start`.

    A call into Python costs more than the read itself, and so does each stage of tf.data. So several small batches are
    read at once, finished in the same stage, and split afterwards. Python's lock is released while the file is read.
    """
    at_once = max(READ_AT_ONCE // batch, 1) * batch

    @tf.autograph.experimental.do_not_convert
    def read(numbers: tf.Tensor, extra: dict[str, tf.Tensor]) -> Any:
        if window:
            starts = extra.pop("start")
            image = tf.numpy_function(
                lambda rows, starts: cut_each(survey.read_images, rows, starts, window),
                [numbers, starts],
                tf.uint8,
                stateful=False,
            )
        else:
            image = tf.numpy_function(survey.read_images, [numbers], tf.uint8, stateful=False)
        return finish(tf.ensure_shape(image, (None, *(window or survey.size))), extra)

    dataset = tf.data.Dataset.from_tensor_slices((np.asarray(rows, np.int64), extra)).batch(at_once)
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.rebatch(batch, drop_remainder=full).prefetch(max(2, at_once // batch))
    options = tf.data.Options()
    # The rows are divided among workers here; TensorFlow must not divide them again.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _dequantised(
    survey: Survey,
    rows: np.ndarray,
    names: list[str],
    batch: int,
    seed: int,
    epoch: int,
    *,
    augment: Collection[str] = (),
    full: bool = False,
    window: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    rows = np.asarray(rows, np.int64)
    extra = {purpose: _keys(names, purpose, seed, epoch) for purpose in ("noise", *augment)}
    if window:
        extra["start"], extra["valid"] = _windows(survey, rows, names, seed, epoch, window)
    else:
        extra["valid"] = _valid(survey, rows)
    wanted = tuple(name for name in AUGMENTATIONS if name in augment)
    return _read(survey, rows, batch, extra, _finish(window or survey.size, wanted), full=full, window=window)


def _windows(
    survey: Survey, rows: np.ndarray, names: list[str], seed: int, epoch: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """First samples and traces of the windows that an epoch draws, and their valid regions, int64 `[row, 2]` each."""
    valid = _valid(survey, rows)
    starts = drawn_starts(valid, size, uniforms(WINDOWS, seed, epoch, names, 2))
    return starts, remaining(valid, starts, size)


def _valid(survey: Survey, rows: np.ndarray) -> np.ndarray:
    return survey.index[["valid_samples", "valid_traces"]].to_numpy(np.int64)[np.asarray(rows, np.int64)]


@functools.lru_cache(maxsize=8)
def _finish(size: tuple[int, int], augment: tuple[str, ...]) -> Callable[[tf.Tensor, dict[str, tf.Tensor]], Any]:
    """What makes training images of grey levels and the data of their rows; traced once for the batches of all epochs.

    Args:
        size: Samples and traces of the images.
        augment: Names of augmentations, in the order in which they are applied.
    """

    def finished(one: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tf.Tensor:
        image, drawn = one
        for name in augment:
            image = AUGMENTATIONS[name](image, drawn["valid"], drawn[name])
        return dequantise(image, drawn["noise"])[..., tf.newaxis]

    def finish(image: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.map_fn(finished, (image, drawn), fn_output_signature=tf.TensorSpec((*size, 1), tf.float32))

    drawn = {name: tf.TensorSpec((None, 2), tf.int64) for name in ("noise", "valid", *augment)}
    return tf.function(finish, autograph=False).get_concrete_function(tf.TensorSpec((None, *size), tf.uint8), drawn)


def dequantise(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Spread grey levels over their intervals: (level + u) / 256, u uniform in [0, 1).

    u has 16 bits, which with the level's 8 make the 24 that float32 holds: the sum is exact, stays below 1, and
    `floor(256 x)` gives every level back. A u with more bits would sometimes be rounded up into the next level.

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
