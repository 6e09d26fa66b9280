"""Types of what goes through the flow's blocks."""

from typing import Any

Tensor = Any
"""A tensor of the backend that Keras runs on, or what that backend makes one of, such as a NumPy array."""

Mapped = Any
"""What a map takes and gives: a tensor `[batch, time, trace, channel]`, or a tuple of such."""

Shape = tuple[Any, ...]
"""A shape with None for what is not known yet, such as the batch; of a tuple of tensors, theirs."""
