"""Keras models that fit a flow: what they share on all backends, and the one for Keras' own `fit` on JAX and torch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Literal, Self, get_args

import keras
from keras import ops

from glowseis.errors import InputError
from glowseis.layers.step_stack import StepStack, Way, way_through
from glowseis.layers.types import Shape, Tensor
from glowseis.models.glow import OUT_OF_RANGE, Glow

Activations = Literal["stored", "recomputed"]
"""How a gradient treats activations: it stores them, or keeps only each step's input and runs the step again."""

Precision = Literal["float32", "bfloat16"]


def check_ways(activations: Activations, conditioners: Precision) -> None:
    """Make sure that a way of training is known.

    Raises:
        ValueError: It is not.
    """
    for name, value, known in (("activations", activations, Activations), ("conditioners", conditioners, Precision)):
        if value not in get_args(known):
            raise ValueError(f"{name} is {value!r}; give one of {', '.join(get_args(known))}")


def training_way(stack: StepStack, activations: Activations, conditioners: Precision = "float32") -> Way:
    """The backend's way through a level's steps in training; the stack is built."""
    lowered = conditioners != "float32"
    template = stack.template.with_conditioner_of(f"mixed_{conditioners}") if lowered else stack.template
    return way_through(template, recomputed=activations == "recomputed")


class FlowModel(keras.Model):
    """A flow as a model whose output is the bits per dimension of each image: what trainers on all backends share.

    Args:
        flow: The flow; wrapping builds it but changes nothing else.
        activations: How the gradient treats activations.
        conditioners: Precision of the networks inside couplings in training.
    """

    def __init__(
        self, flow: Glow, activations: Activations = "stored", conditioners: Precision = "float32", **kwargs: Any
    ):
        check_ways(activations, conditioners)
        # Never autocast: a mixed global policy would destroy dequantised images.
        super().__init__(**{"dtype": flow.dtype_policy, "autocast": False, **kwargs})
        self.flow = flow
        self.activations: Activations = activations
        self.conditioners: Precision = conditioners
        flow.build()
        self.bits = keras.metrics.Mean(name="bits_per_dimension")
        self.built = True

    def build(self, input_shape: Shape | None = None) -> None:
        """Do nothing: the flow has made its weights."""

    def running(self, training: bool = False) -> AbstractContextManager[None]:
        """A context in which the flow, called or traced, runs as in this trainer: same results, faster."""
        raise NotImplementedError

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Bits per dimension of each image, `[batch]`."""
        with self.running(training):
            return self.flow.bits_per_dimension(self.flow.log_prob(x))

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' `evaluate`: the mean bits per dimension, a number unless `return_dict`.

        Raises:
            ValueError: As in `fit`.
        """
        found = super().evaluate(*args, **kwargs)
        return found[0] if isinstance(found, list) else found

    def images_of(self, data: Any) -> Tensor:
        """A batch's images, `[batch, time, trace, channel]`, as a tensor of the flow's precision.

        Raises:
            ValueError: The batch holds something else too, or the images have another size or type.
        """
        if isinstance(data, (tuple, list)) and data and all(one is None for one in data[1:]):
            # What generators must yield, and what Keras makes of the images of `train_on_batch`.
            data = data[0]
        if isinstance(data, (tuple, list, dict)):
            raise ValueError(
                "FlowTrainer trains on images alone, but received something else with them. Remove it, for example "
                "with dataset.map(lambda image, label: image)."
            )
        return self.flow.checked(data)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "flow": keras.saving.serialize_keras_object(self.flow),
            "activations": self.activations,
            "conditioners": self.conditioners,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the trainer from `get_config`'s dictionary."""
        config = {**config, "flow": keras.saving.deserialize_keras_object(config["flow"])}
        if "reversible" in config:
            # What `activations` was called before.
            config["activations"] = "recomputed" if config.pop("reversible") else "stored"
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was given."""
        config = super().get_compile_config()
        return {name: config[name] for name in ("optimizer", "jit_compile") if name in config}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))


class FlowTrainer(FlowModel):
    """Fits a flow by maximum likelihood, in bits per dimension, with Keras' own `fit` on JAX or torch.

    `glowseis.FlowTrainer` is this class if Keras runs on JAX or torch; on TensorFlow it is
    `glowseis.fitting.flow.trainer.FlowTrainer`, which takes the same arguments. Batches are dequantised 8-bit images,
    float32 `[batch, time, trace, channel]` in [0, 1), as `glowseis.models.grey_levels.dequantise` makes them of an
    array. The bits are reported as `bits_per_dimension`, and as `loss`.

    Args:
        flow: The flow; wrapping and compiling builds it but changes nothing else. ActNorm must be adapted
            (`Glow.adapt`) or restored before the first step.
        activations: How the gradient treats activations: `stored`, or `recomputed`, step by step from each step's
            input, which takes less memory and about a third more time.
        conditioners: Precision of the networks inside couplings in training, `float32` or `bfloat16`, which is faster
            where the hardware has it. Evaluation uses float32.

    Raises:
        InputError: Keras runs on another backend.

    Source: the paper's section 3, equation 2.
    """

    train_function: Any
    test_function: Any

    def __init__(
        self, flow: Glow, activations: Activations = "stored", conditioners: Precision = "float32", **kwargs: Any
    ):
        backend = keras.backend.backend()
        if backend not in _STEPS:
            raise InputError(
                f"Keras runs on {backend} here, but this FlowTrainer needs {' or '.join(_STEPS)}; set KERAS_BACKEND "
                "before Keras is imported"
            )
        super().__init__(flow, activations, conditioners, **kwargs)
        self._training = [training_way(stack, activations, conditioners) for stack in flow.stacks]

    def compile(self, optimizer: keras.optimizers.Optimizer | str, jit_compile: bool | str = "auto") -> None:
        """Choose the optimiser, and whether the whole step is compiled.

        Args:
            optimizer: A Keras optimiser, or its name.
            jit_compile: As in Keras: `auto` compiles on JAX and not on torch.
        """
        super().compile(optimizer=optimizer, jit_compile=jit_compile)
        self.optimizer.build(self.flow.trainable_variables)

    @contextmanager
    def running(self, training: bool = False) -> Iterator[None]:
        """A context in which the flow runs as in training, if `training`, or as it always does."""
        with ExitStack() as contexts:
            if training:
                for stack, way in zip(self.flow.stacks, self._training, strict=True):
                    contexts.enter_context(stack.running(way))
            yield

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The mean of the bits, which are `y_pred`, `[batch]`."""
        return ops.mean(y_pred)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The running means of bits and loss."""
        self.bits.update_state(y_pred)
        return self.get_metrics_result()

    def make_train_function(self, force: bool = False) -> None:
        """Keras' step; each batch is checked before the step runs."""
        if self.train_function is None or force:
            super().make_train_function(force)
            kept = [self.trainable_variables, self.non_trainable_variables, self.optimizer.variables]
            self.train_function = self._checking(self.train_function, [*kept, self.metrics_variables])

    def make_test_function(self, force: bool = False) -> None:
        """Keras' step; each batch is checked before the step runs."""
        if self.test_function is None or force:
            super().make_test_function(force)
            kept = [self.trainable_variables, self.non_trainable_variables, self.metrics_variables]
            self.test_function = self._checking(self.test_function, kept)

    def _checking(self, step: Callable[..., Any], kept: Sequence[Sequence[keras.Variable]]) -> Callable[..., Any]:
        return _STEPS[keras.backend.backend()](step, self._check, kept)

    def _check(self, data: Any) -> None:
        """Raise a ValueError that says what is wrong with a batch; it runs outside all compiled functions."""
        x = self.images_of(data)
        if not bool(ops.all((x >= 0) & (x <= 1))):
            raise ValueError(OUT_OF_RANGE)


def _jax_step(
    step: Callable[..., Any], check: Callable[[Any], None], kept: Sequence[Sequence[keras.Variable]]
) -> Callable[..., Any]:
    """Keras' step on JAX, `(values of variables, iterator) -> (logs, values)`."""

    def checked(state: Any, iterator: Iterator[Any]) -> Any:
        try:
            data = next(iterator)
            check(data)
            return step(state, iter([data]))
        except BaseException:
            # Keras has taken the values out of the variables, and loses them if the first step fails or is
            # interrupted, or if there is no batch.
            for variables, values in zip(kept, state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    if not value.is_deleted():
                        variable.assign(value)
            raise

    return checked


def _torch_step(
    step: Callable[..., Any], check: Callable[[Any], None], kept: Sequence[Sequence[keras.Variable]]
) -> Callable[..., Any]:
    """Keras' step on torch, `[batch] -> logs`; torch's variables keep their values."""

    def checked(data: Sequence[Any]) -> Any:
        check(data[0])
        return step(data)

    return checked


_STEPS = {"jax": _jax_step, "torch": _torch_step}

if keras.backend.backend() != "tensorflow":
    # There, the trainer of `glowseis.fitting` has this name in saved files.
    keras.saving.register_keras_serializable("glowseis")(FlowTrainer)
