"""The version, in a module of its own, so that no room has to import the face."""

import functools

__version__ = "0.1.0.dev0"


@functools.cache
def code_digest() -> str:
    """The SHA-256 of the version and of the package's modules with their names, as hexadecimal digits.

    The modules are read when the process first asks, because they may change while the loaded code runs.
    """
    # Whoever only asks for the version need not load these.
    import hashlib
    from pathlib import Path

    found = hashlib.sha256(__version__.encode())
    here = Path(__file__).parent
    for path in sorted(here.rglob("*.py")):
        found.update(f"{path.relative_to(here).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
