"""The flow with JAX, for `benchmarks.backends`."""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.backends_shared import COPIED, LEARNING_RATE, Calls, mean_bits, rate, training
from benchmarks.moved_bytes import moved_bytes


class Jax:
    """JAX: every call is one compiled program, of all the weights as well as the images."""

    def __init__(self, products: str):
        # Few positions attend to each other; which kernel a library has for that must not decide what is measured.
        keras.config.disable_flash_attention()
        precision = {"default": None, "float32": "highest", "tf32": "tensorfloat32"}[products]
        jax.config.update("jax_default_matmul_precision", precision)
        self._device = jax.devices()[0]
        self.device = self._device.device_kind
        self._about: dict[str, Any] = {}

    def calls(self, flow: Any, contender: str, images: Any) -> Calls:
        """Functions without arguments, by name."""
        variables, others = flow.trainable_variables, flow.non_trainable_variables
        x = jax.device_put(images, self._device)
        # Copies, because a step gives its arguments' memory away.
        state = [
            [jax.device_put(np.array(one.value, copy=True), self._device) for one in some]
            for some in (variables, others)
        ]

        def called(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(values: list[Any], fixed: list[Any], argument: Any) -> Any:
                pairs = [*zip(variables, values, strict=True), *zip(others, fixed, strict=True)]
                with keras.StatelessScope(pairs):
                    return function(argument)

            return run

        def update(values: list[Any], fixed: list[Any], x: Any) -> tuple[list[Any], Any]:
            bits, gradients = jax.value_and_grad(called(lambda x: mean_bits(flow, x)))(values, fixed, x)
            return [value - LEARNING_RATE * change for value, change in zip(values, gradients, strict=True)], bits

        programs: dict[str, Any] = {}

        def step() -> Any:
            if "step" not in programs:
                start_s = time.perf_counter()
                with training(flow, contender):
                    lowered = jax.jit(update, donate_argnums=0).lower(*state, x)
                traced_s = time.perf_counter()
                programs["step"] = lowered.compile()
                self._about = {"trace_s": traced_s - start_s, "compile_s": time.perf_counter() - traced_s}
                self._program = programs["step"]
            state[0], bits = programs["step"](*state, x)
            return bits

        log_prob, encode, decode = (jax.jit(called(one)) for one in (flow.log_prob, flow.encode, flow.decode))

        def decoded() -> Any:
            if "latents" not in programs:
                programs["latents"] = encode(*state, x)
            return decode(*state, programs["latents"])

        return {"step": step, "forward": lambda: log_prob(*state, x), "decode": decoded}

    def wait(self, result: Any) -> None:
        """Wait for a result."""
        jax.block_until_ready(result)

    def about_step(self) -> dict[str, Any]:
        """What the compiled step takes and moves."""
        found = self._program.memory_analysis()
        taken = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
        about = {**self._about, "program_mb": (taken - found.alias_size_in_bytes) / 1e6}
        try:
            return {**about, "moved_mb": moved_bytes(self._program.as_text()) / 1e6}
        except ValueError as wrong:
            print(f"moved_mb: {wrong}", file=sys.stderr)
            return about

    def peak(self) -> dict[str, Any]:
        """Peak memory since the process began; nothing on a CPU."""
        stats = self._device.memory_stats()
        return {"peak_mb": stats["peak_bytes_in_use"] / 1e6} if stats else {}

    def copy_gb_per_s(self) -> float:
        """Rate of a copy, read and written."""
        one = jax.device_put(jax.numpy.ones(COPIED // 4, "float32"), self._device)
        copy = jax.jit(lambda x: x + 1)
        return rate(lambda: copy(one), jax.block_until_ready)
