"""Keras callbacks that a user names by import path."""

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import keras

from glowseis.errors import FittingError, InputError, reason_of


def callbacks_of(names: Sequence[str]) -> list[keras.callbacks.Callback]:
    """Callbacks by their import paths.

    Args:
        names: Of classes or functions, which are called without arguments, or of callbacks, such as
            `mlflow.keras.MlflowCallback`; modules in the current folder are found too.

    Raises:
        InputError: A name is none of these, its module cannot be imported, or the call fails.
    """
    return [_guarded(name, _callback(name)) for name in names]


def _guarded(name: str, callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    """The callback, whose errors end the training in one line."""

    def guard(hook: str, call: Callable[..., object]) -> Callable[..., object]:
        # Keras looks for marks on hooks that do nothing.
        @functools.wraps(call)
        def guarded(*given: object, **named: object) -> object:
            try:
                return call(*given, **named)
            # From a hook that this one called.
            except FittingError:
                raise
            # A user's code may raise anything.
            except Exception as wrong:
                raise FittingError(
                    f"--callback {name}: {hook} failed ({reason_of(wrong)}); mend it, or leave it out, and run the "
                    "same command again to continue from the last checkpoint"
                ) from None

        return guarded

    for hook in dir(callback):
        if hook.startswith("on_") and callable(call := getattr(callback, hook)):
            setattr(callback, hook, guard(hook, call))
    return callback


def _callback(name: str) -> keras.callbacks.Callback:
    module, _, attribute = name.rpartition(".")
    if not module or not attribute.isidentifier():
        raise InputError(f"--callback {name}: give an import path, such as mlflow.keras.MlflowCallback")
    # The console command, unlike python -m, does not look here.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    # A user's module may raise anything.
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as wrong:
        mend = "fix the module"
        if isinstance(wrong, ModuleNotFoundError):
            mend = "install its package, or run this in the folder of your module"
        elif isinstance(wrong, AttributeError):
            mend = "correct the name"
        raise InputError(f"--callback {name}: cannot be imported ({reason_of(wrong)}); {mend}") from None
    if not isinstance(found, keras.callbacks.Callback) and callable(found):
        try:
            found = found()
        except Exception as wrong:
            raise InputError(
                f"--callback {name}: cannot be made without arguments ({reason_of(wrong)}); name a function of yours "
                "that returns it"
            ) from None
    if not isinstance(found, keras.callbacks.Callback):
        raise InputError(f"--callback {name}: is not a Keras callback (its type is {type(found).__name__})")
    return found
