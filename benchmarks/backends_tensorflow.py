"""The flow with TensorFlow, for `benchmarks.backends`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.backends_shared import COPIED, LEARNING_RATE, Calls, mean_bits, rate
from glowseis.fitting.flow.execution import Steps


class TensorFlow:
    """TensorFlow: every call is one graph, in which a step of the flow is a function of its own, called once a step."""

    def __init__(self, products: str):
        tf.config.optimizer.set_experimental_options({"function_optimization": False})
        if products != "default":
            tf.config.experimental.enable_tensor_float_32_execution(products == "tf32")
        devices = tf.config.list_physical_devices("GPU")
        self._gpu = bool(devices)
        details = tf.config.experimental.get_device_details(devices[0]) if devices else {}
        self.device = details.get("device_name", "gpu") if devices else "cpu"

    def calls(self, flow: Any, contender: str, images: Any) -> Calls:
        """Functions without arguments, by name."""
        conditioners = "bfloat16" if contender.endswith("bfloat16") else "float32"
        steps = Steps(flow, activations=contender.removesuffix("-bfloat16"), conditioners=conditioners)
        variables = flow.trainable_variables
        x = tf.constant(images)

        @tf.function
        def step() -> Any:
            with steps.running(training=True), tf.GradientTape() as tape:
                bits = mean_bits(flow, x)
            found = tape.gradient(bits, [one.value for one in variables])
            for variable, gradient in zip(variables, found, strict=True):
                variable.assign_sub(LEARNING_RATE * gradient)
            return bits

        def called(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(argument: Any) -> Any:
                with steps.running():
                    return function(argument)

            return tf.function(run)

        log_prob, encode, decode = (called(one) for one in (flow.log_prob, flow.encode, flow.decode))
        latents: list[Any] = []

        def decoded() -> Any:
            latents[:] = latents or encode(x)
            return decode(tuple(latents))

        return {"step": step, "forward": lambda: log_prob(x), "decode": decoded}

    def wait(self, result: Any) -> None:
        """Wait for a result."""
        result.numpy()

    def about_step(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def peak(self) -> dict[str, Any]:
        """Peak memory since the process began; nothing on a CPU."""
        return {"peak_mb": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6} if self._gpu else {}

    def copy_gb_per_s(self) -> float:
        """Rate of a copy, read and written."""
        one = tf.ones(COPIED // 4)
        return rate(lambda: one + 1, self.wait)
