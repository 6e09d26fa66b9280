"""A gather as a `tf.train.Example`, and back.

The message is defined again here so that simulating, reading SEG-Y and inspecting a survey need not load TensorFlow,
which takes seconds and writes to the terminal.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from glowseis.survey.gather import Gather, Geometry, Origin

ARRAYS = {"channel": "<i4", "offset_m": "<f4", "receiver_x_m": "<f8", "receiver_y_m": "<f8"}
"""Geometry's arrays in a record: little-endian bytes, because an Example's floats have 32 bits."""

_SCALARS = ("sample_interval_s", "source_x_m", "source_y_m", "start_s")
"""Geometry's 64-bit numbers, stored in the same way."""


def _example() -> Any:
    """The class of `tf.train.Example` messages: tensorflow/core/example/example.proto and feature.proto."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")

    def message(name: str, fields: Sequence[tuple[str, Any, Any, int, str]], into: Any = None) -> Any:
        made = (file.message_type if into is None else into.nested_type).add(name=name)
        for number, (field_name, kind, label, oneof, type_name) in enumerate(fields, start=1):
            made.field.add(name=field_name, number=number, type=kind, label=label, type_name=type_name or None)
            if oneof >= 0:
                made.field[-1].oneof_index = oneof
        return made

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message("BytesList", [("value", field.TYPE_BYTES, many, -1, "")])
    message("FloatList", [("value", field.TYPE_FLOAT, many, -1, "")])
    message("Int64List", [("value", field.TYPE_INT64, many, -1, "")])
    lists = [("bytes_list", ".tensorflow.BytesList"), ("float_list", ".tensorflow.FloatList")]
    lists.append(("int64_list", ".tensorflow.Int64List"))
    feature = message("Feature", [(name, field.TYPE_MESSAGE, one, 0, kind) for name, kind in lists])
    feature.oneof_decl.add(name="kind")
    entries = ".tensorflow.Features.FeatureEntry"
    features = message("Features", [("feature", field.TYPE_MESSAGE, many, -1, entries)])
    pair = [("key", field.TYPE_STRING, one, -1, ""), ("value", field.TYPE_MESSAGE, one, -1, ".tensorflow.Feature")]
    message("FeatureEntry", pair, into=features).options.map_entry = True
    message("Example", [("features", field.TYPE_MESSAGE, one, -1, ".tensorflow.Features")])
    # A pool of our own: TensorFlow adds its own messages of these names to the common one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


Example = _example()
"""A message that any reader of `tf.train.Example` understands."""


def serialise(gather: Gather) -> bytes:
    """Write a gather as the bytes of a `tf.train.Example`, the same bytes each time.

    Args:
        gather: What to write.

    Returns:
        The record: `image` holds grey levels as raw bytes, row by row; arrays and 64-bit floats are little-endian.
    """
    geometry, origin = gather.geometry, gather.origin
    recorded = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
    values: dict[str, list[Any]] = {
        "image": [np.ascontiguousarray(gather.image).tobytes()],
        "shape": list(gather.image.shape),
        "valid_shape": [gather.valid_samples, gather.valid_traces],
        "recorded_shape": list(recorded),
        "fit": [gather.fit.encode()],
        "dead_traces": [gather.dead_traces],
        "broken_traces": [gather.broken_traces],
        "clip_amplitude": [np.float64(gather.clip_amplitude).astype("<f8").tobytes()],
        "zero_amplitude": [np.asarray(gather.zero_amplitude).astype("<f4").tobytes()],
        "mended": [f"{name}={count}".encode() for name, count in gather.mended.items()],
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
        "path": [origin.path.encode()],
    }
    for name in _SCALARS:
        values[name] = [np.float64(getattr(geometry, name)).astype("<f8").tobytes()]
    for name, kind in ARRAYS.items():
        values[name] = [np.asarray(getattr(geometry, name)).astype(kind).tobytes()]
    example = Example()
    for name, value in values.items():
        feature = example.features.feature[name]
        if all(isinstance(item, bytes) for item in value):
            feature.bytes_list.value.extend(value)
        else:
            feature.int64_list.value.extend(int(item) for item in value)
    return example.SerializeToString(deterministic=True)


def parse(record: bytes) -> Gather:
    """Read a gather back from its record.

    Args:
        record: What `serialise` made.

    Returns:
        The gather.
    """
    feature = Example.FromString(record).features.feature

    def text(name: str) -> str:
        return feature[name].bytes_list.value[0].decode()

    def array(name: str, kind: str) -> np.ndarray:
        # astype copies, so that the arrays are independent, writable and in the machine's byte order.
        return np.frombuffer(feature[name].bytes_list.value[0], kind).astype(kind.replace("<", "="))

    def number(name: str) -> float:
        return float(array(name, "<f8")[0])

    def integers(name: str) -> list[int]:
        return list(feature[name].int64_list.value)

    # Records of schema 2 do not hold their zero.
    zero = array("zero_amplitude", "<f4") if "zero_amplitude" in feature else np.zeros(1, np.float32)
    mended = [word.decode().split("=") for word in feature["mended"].bytes_list.value]
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
            start_s=number("start_s"),
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
            path=text("path"),
        ),
        dead_traces=integers("dead_traces")[0],
        broken_traces=integers("broken_traces")[0],
        zero_amplitude=zero if zero.any() else zero[:1].reshape(()),
        mended={name: int(count) for name, count in mended},
    )
