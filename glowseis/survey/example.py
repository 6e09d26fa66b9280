"""A gather as a `tf.train.Example`, and back."""

from typing import Any

import numpy as np
import tensorflow as tf

from glowseis.survey.gather import Gather, Geometry, Origin

ARRAYS = {"channel": "<i4", "offset_m": "<f4", "receiver_x_m": "<f8", "receiver_y_m": "<f8"}
"""Geometry's arrays as they lie in a record: little-endian bytes, because an Example's floats are 32 bits."""

_SCALARS = ("sample_interval_s", "source_x_m", "source_y_m")
"""Geometry's 64-bit numbers, kept the same way."""


def serialise(gather: Gather) -> bytes:
    """Write a gather as the bytes of a `tf.train.Example`, the same bytes each time.

    Args:
        gather: What to write.

    Returns:
        The record: `image` is the picture's raw bytes, row by row; 64-bit floats are little-endian bytes.
    """
    geometry, origin = gather.geometry, gather.origin
    recorded = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
    values: dict[str, list[Any]] = {
        "image": [np.ascontiguousarray(gather.image).tobytes()],
        "shape": list(gather.image.shape),
        "valid_shape": [gather.valid_samples, gather.valid_traces],
        "recorded_shape": list(recorded),
        "fit": [gather.fit.encode()],
        "clip_amplitude": [np.float64(gather.clip_amplitude).astype("<f8").tobytes()],
        "gather_id": [gather.gather_id.encode()],
        "label": [gather.label.encode()],
        "sail_line": [geometry.sail_line],
        "shot": [geometry.shot],
        "cable": [geometry.cable],
        "source": [gather.source.encode()],
        "parents": [parent.encode() for parent in origin.parents],
        "alpha": [np.float64(origin.alpha).astype("<f8").tobytes()],
        "seed": [origin.seed],
        "model": [origin.model.encode()],
    }
    for name in _SCALARS:
        values[name] = [np.float64(getattr(geometry, name)).astype("<f8").tobytes()]
    for name, kind in ARRAYS.items():
        values[name] = [np.asarray(getattr(geometry, name)).astype(kind).tobytes()]
    features = {}
    for name, value in values.items():
        if all(isinstance(item, bytes) for item in value):
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        else:
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(item) for item in value]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def parse(record: bytes) -> Gather:
    """Read a gather back from its record.

    Args:
        record: What `serialise` made.

    Returns:
        The gather.
    """
    feature = tf.train.Example.FromString(record).features.feature

    def text(name: str) -> str:
        return feature[name].bytes_list.value[0].decode()

    def array(name: str, kind: str) -> np.ndarray:
        # astype copies, so that the arrays are the reader's own, writable and in the machine's byte order.
        return np.frombuffer(feature[name].bytes_list.value[0], kind).astype(kind.replace("<", "="))

    def number(name: str) -> float:
        return float(array(name, "<f8")[0])

    def integers(name: str) -> list[int]:
        return list(feature[name].int64_list.value)

    valid_samples, valid_traces = integers("valid_shape")
    recorded_samples, recorded_traces = integers("recorded_shape")
    return Gather(
        gather_id=text("gather_id"),
        image=array("image", "|u1").reshape(integers("shape")),
        label=text("label"),
        geometry=Geometry(
            sail_line=integers("sail_line")[0],
            shot=integers("shot")[0],
            cable=integers("cable")[0],
            sample_interval_s=number("sample_interval_s"),
            channel=array("channel", ARRAYS["channel"]),
            offset_m=array("offset_m", ARRAYS["offset_m"]),
            source_x_m=number("source_x_m"),
            source_y_m=number("source_y_m"),
            receiver_x_m=array("receiver_x_m", ARRAYS["receiver_x_m"]),
            receiver_y_m=array("receiver_y_m", ARRAYS["receiver_y_m"]),
        ),
        source=text("source"),
        clip_amplitude=number("clip_amplitude"),
        valid_samples=valid_samples,
        valid_traces=valid_traces,
        fit=text("fit"),
        recorded_shape=(recorded_samples, recorded_traces),
        origin=Origin(
            parents=tuple(parent.decode() for parent in feature["parents"].bytes_list.value),
            alpha=number("alpha"),
            seed=integers("seed")[0],
            model=text("model"),
        ),
    )
