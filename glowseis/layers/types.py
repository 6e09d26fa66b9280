"""Types of the values that pass through the flow's blocks."""

from typing import Any

Tensor = Any
"""A tensor of the backend that Keras runs on, or anything it converts to one, such as a NumPy array."""

Mapped = Any
"""What a map takes and returns: a tensor `[batch, time, trace, channel]`, or a tuple of them."""

Shape = tuple[Any, ...]
"""A shape with None for unknown sides, such as the batch; for a tuple of tensors, a tuple of their shapes."""
