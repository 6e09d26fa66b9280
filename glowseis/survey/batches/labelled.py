"""Labelled gathers for a classifier, in memory or on disk, and their batches, with tf.data.

The gathers of a step are a pure function of (seed, step, gather ids): the same from records and from memory, and
wherever a run resumes. Records are read a batch at a time, so memory does not grow with the survey.
"""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.survey.batches.augment_graded import DRAWS, GRADED_AUGMENTATIONS, augmented
from glowseis.survey.batches.cutting import WINDOWS, cut_each, drawn_starts, remaining
from glowseis.survey.batches.order import id_order, numbered_names, uniforms
from glowseis.survey.matching.windows import few_windows
from glowseis.survey.store.survey import Survey


@dataclass(frozen=True)
class LabelledGathers:
    """Images with their classes. A gather may be repeated, to weigh more.

    Attributes:
        ids: Gather ids, `[gather]`.
        classes: Numbers of their labels, int32 `[gather]`.
        weights: Weight of each in the loss, float32 `[gather]`.
        size: Height in samples and width in traces.
        read: Returns the images at some places of these arrays, uint8 `[place, time, trace]`.
        parents: Ids of each gather's parents, tuples of text, object `[gather]`; empty for recorded gathers.
        valid: Samples and traces of their valid regions, int64 `[gather, 2]`; beyond them is padding.
        path: Their path, for errors.
        anew: Returns the gathers of a pass in training, counted from 0, if some are others in every pass: as many, of
            the same classes, in the same order. Those of pass 0 are these; None if all stay the same.
    """

    ids: np.ndarray
    classes: np.ndarray
    weights: np.ndarray
    size: tuple[int, int]
    read: Callable[[np.ndarray], np.ndarray]
    parents: np.ndarray
    valid: np.ndarray
    path: object = "memory"
    anew: Callable[[int], "LabelledGathers"] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def valid_images(self) -> Iterator[np.ndarray]:
        """The valid region of each image, uint8 `[time, trace]`."""
        for place, (samples, traces) in enumerate(self.valid):
            yield self.read(np.array([place]))[0, :samples, :traces]

    def in_pass(self, number: int) -> "LabelledGathers":
        """The gathers of a pass in training, counted from 0."""
        return self.anew(number) if self.anew else self


def from_survey(survey: Survey, rows: np.ndarray, labels: Sequence[str]) -> LabelledGathers:
    """Labelled gathers of a survey, read when they are needed.

    Args:
        survey: Where to read.
        rows: Row numbers; they may repeat.
        labels: Names of the classes, in order of severity.

    Returns:
        The gathers, each of weight 1.

    Raises:
        InputError: A gather has none of the labels.
    """
    rows = np.asarray(rows, np.int64)
    found = survey.index["label"].to_numpy()[rows]
    numbers = {label: number for number, label in enumerate(labels)}
    for row, label in zip(rows, found, strict=True):
        if label not in numbers:
            raise InputError(
                f"{survey.path}: gather {survey.index['gather_id'].iat[row]} is labelled {label!r}, not one of "
                f"{', '.join(labels)}; choose gathers by their labels"
            )
    return LabelledGathers(
        ids=survey.index["gather_id"].to_numpy()[rows],
        classes=np.array([numbers[label] for label in found], np.int32),
        weights=np.ones(len(rows), np.float32),
        size=survey.size,
        read=lambda places: survey.read_images(rows[places]),
        parents=parents_of(survey)[rows],
        valid=valid_regions(survey)[rows],
        path=survey.path,
    )


def from_memory(
    images: np.ndarray,
    classes: Sequence[int] | np.ndarray,
    ids: Sequence[str] | np.ndarray | None = None,
    parents: Sequence[tuple[str, ...]] | np.ndarray | None = None,
    valid: np.ndarray | None = None,
) -> LabelledGathers:
    """Labelled gathers whose images are in memory.

    Args:
        images: Grey levels, uint8 `[gather, time, trace]`.
        classes: Numbers of their labels, `[gather]`.
        ids: Gather ids, `[gather]`, on which the order depends; `gather-0`, `gather-1`, ... when None.
        parents: Ids of each gather's parents, `[gather]`; None if all gathers were recorded.
        valid: Samples and traces of their valid regions, `[gather, 2]`; whole images when None.

    Returns:
        The gathers, each of weight 1.

    Raises:
        ValueError: The images are not grey levels, or there is not one class, one id and, if given, one tuple of
            parents and one valid region per image.
    """
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"images are {images.dtype} of shape {images.shape}; give uint8 [gather, time, trace]")
    names = np.array([f"gather-{number}" for number in range(len(images))] if ids is None else ids, object)
    if not len(images) == len(classes) == len(names):
        raise ValueError(f"there are {len(images)} images, {len(classes)} classes and {len(names)} ids; give as many")
    if parents is not None and len(parents) != len(names):
        raise ValueError(f"there are {len(names)} images and parents of {len(parents)}; give as many")
    if valid is not None and len(valid) != len(names):
        raise ValueError(f"there are {len(names)} images and {len(valid)} valid regions; give as many")
    regions = np.broadcast_to(images.shape[1:], (len(names), 2)) if valid is None else valid
    return LabelledGathers(
        ids=names,
        classes=np.asarray(classes, np.int32),
        weights=np.ones(len(images), np.float32),
        size=(images.shape[1], images.shape[2]),
        read=lambda places: images[places],
        parents=tuples(() for _ in names) if parents is None else tuples(map(tuple, parents)),
        valid=np.asarray(regions, np.int64),
    )


def together(parts: Sequence[LabelledGathers]) -> LabelledGathers:
    """Several sets as one, such as a survey's gathers and synthetic ones.

    Args:
        parts: The sets; their images must have one size.

    Returns:
        One set, the parts one after another.

    Raises:
        InputError: The sizes differ.
    """
    for part in parts:
        if part.size != parts[0].size:
            one, other = ("x".join(map(str, each.size)) for each in (parts[0], part))
            raise InputError(
                f"{part.path}: its gathers are {other}, those of {parts[0].path} {one}; bring them to one size"
            )
    starts = np.cumsum([0, *(len(part) for part in parts)])

    def read(places: np.ndarray) -> np.ndarray:
        places = np.asarray(places)
        result = np.empty((len(places), *parts[0].size), np.uint8)
        owners = np.searchsorted(starts, places, side="right") - 1
        for number, part in enumerate(parts):
            mine = owners == number
            if mine.any():
                result[mine] = part.read(places[mine] - starts[number])
        return result

    return LabelledGathers(
        ids=np.concatenate([part.ids for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        size=parts[0].size,
        read=read,
        parents=np.concatenate([part.parents for part in parts]),
        valid=np.concatenate([part.valid for part in parts]),
        path=" and ".join(dict.fromkeys(str(part.path) for part in parts)),
        anew=(lambda number: together([part.in_pass(number) for part in parts]))
        if any(part.anew for part in parts)
        else None,
    )


def weighted(gathers: LabelledGathers, class_weights: Sequence[float]) -> LabelledGathers:
    """The same gathers, with weights that are multiplied by those of their classes, in every pass.

    Args:
        gathers: The gathers.
        class_weights: Weight of each class.
    """
    weights = gathers.weights * np.asarray(class_weights, np.float32)[gathers.classes]
    anew = gathers.anew
    return replace(
        gathers, weights=weights, anew=(lambda number: weighted(anew(number), class_weights)) if anew else None
    )


def side_by_side(datasets: Sequence[tf.data.Dataset]) -> tf.data.Dataset:
    """Batches of several sets joined, step by step: each holds the batches of all of them, in their order.

    Args:
        datasets: From `training_steps`, of equally many steps and images of one size.
    """
    if len(datasets) == 1:
        return datasets[0]
    return tf.data.Dataset.zip(tuple(datasets)).map(
        lambda *parts: tuple(tf.concat(values, 0) for values in zip(*parts, strict=True))
    )


def parents_of(survey: Survey) -> np.ndarray:
    """Ids of the parents of each of a survey's gathers, tuples of text, object `[gather]`; empty if recorded."""
    return tuples(tuple(names.split(";")) if names else () for names in survey.index["parents"])


def valid_regions(survey: Survey) -> np.ndarray:
    """Samples and traces of the valid regions of a survey's gathers, int64 `[gather, 2]`."""
    return survey.index[["valid_samples", "valid_traces"]].to_numpy(np.int64)


def in_windows(gathers: LabelledGathers, size: tuple[int, int], most: int) -> tuple[LabelledGathers, np.ndarray]:
    """A few fixed windows of each gather, as gathers of their own; of the first pass, if others differ.

    Args:
        gathers: Whole gathers.
        size: Samples and traces of a window.
        most: Most windows per gather.

    Returns:
        The windows, and the gather of each as a place in `gathers`, int64 `[window]`, in rising order.
    """
    windows = [few_windows((int(region[0]), int(region[1])), size, most) for region in gathers.valid]
    owner = np.repeat(np.arange(len(gathers)), [len(places) for places in windows])
    start = np.array([place for places in windows for place in places], np.int64).reshape(-1, 2)
    return (
        replace(
            gathers,
            ids=gathers.ids[owner],
            classes=gathers.classes[owner],
            weights=gathers.weights[owner],
            size=size,
            read=lambda places: cut_each(gathers.read, owner[places], start[places], size),
            parents=gathers.parents[owner],
            valid=remaining(gathers.valid[owner], start, size),
            anew=None,
        ),
        owner,
    )


def tuples(parents: Iterable[tuple[str, ...]]) -> np.ndarray:
    """An array of tuples, object `[tuple]`, which NumPy would otherwise make a table if they have one length."""
    every = list(parents)
    result = np.empty(len(every), object)
    result[:] = every
    return result


def steps_per_pass(gathers: LabelledGathers, batch: int) -> int:
    """Steps in one pass over the gathers; the last batch may be smaller."""
    return -(-len(gathers) // batch)


def training_steps(
    gathers: LabelledGathers,
    batch: int,
    seed: int,
    steps: int,
    *,
    first: int = 0,
    augment: Collection[str] = (),
    window: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """The batches of a training run: pass after pass over the gathers, each in a different order.

    Windows and augmentations are drawn again in every pass, only from the seed, the pass and the gather's id; gathers
    that are made anew in every pass (`LabelledGathers.anew`) keep the ids of the first pass for that.

    Args:
        gathers: What to train on.
        batch: Gathers per step; the last of a pass may be smaller.
        seed: Seed of the order, of windows and of augmentations.
        steps: Steps of the whole run.
        first: Number of steps that are done already.
        augment: Names from `GRADED_AUGMENTATIONS`.
        window: Samples and traces of the window that is cut at a random place of a gather's valid region each time it
            is used; whole images when None.

    Returns:
        Triples of images, uint8 `[batch, time, trace]`, classes, int32 `[batch]`, and weights, float32 `[batch]`.

    Raises:
        InputError: There are no gathers, or an augmentation is unknown.
        ValueError: `batch` is not at least 1.
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}; give at least 1")
    if not len(gathers):
        raise InputError(f"{gathers.path}: there are no gathers to train on; choose labels that it has")
    unknown = sorted(set(augment) - set(GRADED_AUGMENTATIONS))
    if unknown:
        raise InputError(f"augmentation {unknown[0]!r} is unknown; choose among {', '.join(GRADED_AUGMENTATIONS)}")
    wanted = [name for name in GRADED_AUGMENTATIONS if name in augment]
    names = numbered_names(gathers.ids)
    length = steps_per_pass(gathers, batch)
    # Batches are read in parallel, across the boundary of two passes too.
    order = functools.lru_cache(maxsize=4)(lambda number: id_order(names, seed, number))
    in_pass = functools.lru_cache(maxsize=4)(gathers.in_pass)

    def read(step: int) -> _Read:
        number, start = step // length, step % length * batch
        places = order(number)[start : start + batch]
        named = [names[place] for place in places]
        images, valid = _images(in_pass(number), places, window, uniforms(WINDOWS, seed, number, named, 2))
        drawn = [uniforms(name, seed, number, named, DRAWS) for name in wanted]
        numbers = np.array(drawn, np.float32).reshape(len(wanted), len(places), DRAWS)
        return images, gathers.classes[places], gathers.weights[places], valid, numbers

    return _batches(read, range(first, steps), window or gathers.size, wanted)


def in_order(gathers: LabelledGathers, batch: int) -> tf.data.Dataset:
    """Batches for evaluation: every gather, in the order given, unchanged; otherwise like `training_steps`."""

    def read(step: int) -> _Read:
        places = np.arange(step * batch, min((step + 1) * batch, len(gathers)))
        numbers = np.zeros((0, len(places), DRAWS), np.float32)
        return (
            gathers.read(places),
            gathers.classes[places],
            gathers.weights[places],
            gathers.valid[places],
            numbers,
        )

    return _batches(read, range(steps_per_pass(gathers, batch)), gathers.size, ())


def _images(
    gathers: LabelledGathers, places: np.ndarray, window: tuple[int, int] | None, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Images of gathers, or a window of each at the place that was drawn, with their valid regions."""
    valid = gathers.valid[places]
    if window is None:
        return gathers.read(places), valid
    starts = drawn_starts(valid, window, drawn)
    return cut_each(gathers.read, places, starts, window), remaining(valid, starts, window)


_Read = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""A batch: images, classes, weights, valid regions, numbers drawn for augmentations."""


def _batches(
    read: Callable[[int], _Read], steps: range, size: tuple[int, int], augment: Collection[str]
) -> tf.data.Dataset:
    """Batches as `read` returns them; one call into Python per batch, in threads other than training's."""

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        kinds = (tf.uint8, tf.int32, tf.float32, tf.int64, tf.float32)
        image, label, weight, valid, drawn = tf.numpy_function(
            lambda number: read(int(number)), [step], kinds, stateful=False
        )
        image = tf.ensure_shape(image, (None, *size))
        if augment:
            valid = tf.ensure_shape(valid, (None, 2))
            image = augmented(image, valid, tf.ensure_shape(drawn, (len(augment), None, DRAWS)), augment)
        return image, tf.ensure_shape(label, (None,)), tf.ensure_shape(weight, (None,))

    dataset = tf.data.Dataset.range(steps.start, steps.stop)
    dataset = dataset.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
