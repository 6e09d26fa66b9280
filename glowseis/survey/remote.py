"""Files, folders and surveys on object storage and web servers, copied to this machine before they are read.

Such a source is named by its address, such as `s3://bucket/line12.segy`. fsspec reads it (`pip install
'glowseis[cloud]'`, and the package that it needs for the storage, such as s3fs or gcsfs).
"""

import filecmp
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.escapes import SHOWN_AS
from glowseis.files import read_json, write_json
from glowseis.locks import locked
from glowseis.survey.progress import progress

CACHE = "GLOWSEIS_CACHE"
"""The environment variable that names the folder of the copies."""

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.+)", re.IGNORECASE)
"""An address, also one that Path has taken a slash from; a Windows drive has one letter."""

READ = (
    *(".segy", ".sgy", ".su", ".h5", ".hdf5", ".hdf", ".npy", ".npz", ".png", ".jpg", ".jpeg", ".tif", ".tiff"),
    *(".csv", ".json", ".tfrecord"),
)
"""Extensions of the files that are copied from a folder: gathers, their tables, and surveys."""

VERSIONS = (
    *("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "mtime", "LastModified", "Last-Modified", "last_modified"),
    *("modificationTime", "modify", "sha", "blob_id", "created"),
)
"""What storages tell of a file that changes with it, the best first."""

STATE = ".copied.json"


def fetched(path: str | Path) -> Path:
    """A source on this machine: the path itself, or the copy of what has that address.

    The copies lie in the folder that `GLOWSEIS_CACHE` names, by default in `~/.cache/glowseis`. A file is copied again
    only if it has changed, if the storage does not tell, or if its address has another signature. With a SEG-Y or NumPy
    file comes the table of the same name, which says if its gathers are synthetic.

    Args:
        path: A file, a folder or a survey, or its address.

    Returns:
        A path on this machine.

    Raises:
        InputError: The address cannot be read, or a package is missing.
        OSError: The copy cannot be written.
    """
    path = Path(path)
    match = ADDRESS.fullmatch(str(path))
    if not match or path.exists():
        return path
    scheme, rest = match[1].lower(), match[2]
    if scheme in ("file", "local"):
        return Path("/", rest)
    url = f"{scheme}://{rest}"
    try:
        import fsspec
    except ImportError:
        raise InputError(
            f"{_bare(url)}: needs fsspec; run pip install 'glowseis[cloud]', or copy it to this machine"
        ) from None
    try:
        storage = fsspec.filesystem(scheme)
        is_file, files = _listed(storage, url)
    # Each storage has errors of its own.
    except Exception as wrong:
        raise _unreadable(url, wrong) from None
    folder = _cache() / hashlib.sha256(url.encode()).hexdigest()[:16] / _name(url)
    folder = folder.parent if is_file else folder
    with locked(folder.parent / f".{folder.name}.lock", f"{_bare(url)}: another process copies it", wait=True):
        _copy(storage, files, folder, url)
    for name, (address, _) in files.items():
        # A signature is a secret.
        SHOWN_AS[os.fspath(folder / name)] = _bare(address)
    if is_file:
        return folder / _name(url)
    SHOWN_AS[os.fspath(folder)] = _bare(url)
    return folder


def _listed(storage: Any, url: str) -> tuple[bool, dict[str, tuple[str, list[Any]]]]:
    """Whether an address is that of a file, and by name the address and the state of what is to be copied."""
    storage.invalidate_cache()
    bare = _bare(url)
    path, query = (bare, url.removeprefix(bare)) if url.startswith(bare) else (url, "")
    if storage.isfile(url) and not (bare.endswith("/") or _is_index(storage, bare)):
        table = path.rsplit(".", 1)[0] + ".csv" + query
        every = [url, *([table] if table != url and storage.exists(table) else [])]
        return True, {_name(one): (one, _state(storage, one)) for one in every}
    found = {}
    for entry in storage.ls(url, detail=True):
        name = entry["name"].rstrip("/").rsplit("/", 1)[-1]
        if entry["type"] == "file" and name.lower().endswith(READ):
            address = f"{path.rstrip('/')}/{name}{query}"
            found[name] = (address, _state(storage, address))
    if not found:
        raise FileNotFoundError(f"no file there ends in {' '.join(READ)}")
    return False, found


def _bare(url: str) -> str:
    """An address of a web server without its query, such as a signature, except the part that names the file."""
    path, _, query = url.partition("?") if url.startswith("http") else (url, "", "")
    if query.lower().endswith(READ) and not path.lower().endswith(READ):
        return f"{path}?{query.rpartition('&')[2]}"
    return path


def _name(url: str) -> str:
    """The name of the copy of a file or folder."""
    bare = _bare(url).rstrip("/")
    return re.split("[/?=]|%2f" if url.startswith("http") else "/", bare, flags=re.IGNORECASE)[-1]


def _is_index(storage: Any, url: str) -> bool:
    """Whether an address of a web server is that of a folder, which it answers with a page."""
    return "http" in storage.protocol and not url.lower().endswith(READ)


def _state(storage: Any, address: str) -> list[Any]:
    """What changes with a file: its length and its version, empty if the storage does not tell it."""
    about = storage.info(address)
    version = next((about[key] for key in VERSIONS if about.get(key)), "")
    return [about.get("size"), str(version)]


def _is_whole(copy: Path, state: list[Any]) -> bool:
    """Whether a file is known to be the copy of one in that state."""
    size, version = state
    return bool(version) and copy.exists() and size in (None, copy.stat().st_size)


def _copy(storage: Any, files: dict[str, tuple[str, list[Any]]], folder: Path, url: str) -> None:
    """Copy the files that are new or have changed, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / STATE
    known = read_json(note) if note.exists() else {}
    stale = {
        name: one for name, one in files.items() if known.get(name) != one[1] or not _is_whole(folder / name, one[1])
    }
    for gone in set(known) - set(files):
        (folder / gone).unlink(missing_ok=True)
    for name, (address, state) in progress(stale.items(), len(stale), f"copying {_bare(url)}", unit="file"):
        unfinished = folder / f".{name}.writing"
        try:
            storage.get_file(address, os.fspath(unfinished))
        except OSError as wrong:
            if wrong.filename is not None and str(folder) in str(wrong.filename):
                raise
            raise _unreadable(address, wrong) from None
        except Exception as wrong:
            raise _unreadable(address, wrong) from None
        if (folder / name).exists() and filecmp.cmp(unfinished, folder / name, shallow=False):
            # What is made from the copy stays valid, such as an ingest that was stopped.
            unfinished.unlink()
        else:
            os.replace(unfinished, folder / name)
        known[name] = state
        write_json(note, {one: known[one] for one in known if one in files})
    if set(known) - set(files):
        write_json(note, {one: known[one] for one in known if one in files})


def _unreadable(url: str, wrong: Exception) -> InputError:
    url = _bare(url)
    if isinstance(wrong, InputError):
        return wrong
    if isinstance(wrong, ImportError):
        return InputError(f"{url}: {str(wrong).splitlines()[0]}; install that package, or copy it to this machine")
    if isinstance(wrong, FileNotFoundError):
        return InputError(f"{url}: nothing to read there; check the address")
    if isinstance(wrong, PermissionError):
        return InputError(f"{url}: access is denied; check your credentials and your rights to it")
    reason = (str(wrong).strip() or type(wrong).__name__).splitlines()[0].replace(" ssl:default", "")
    # Clients repeat the address with its signature.
    reason = re.sub(r"(https?://[^\s'\"?]*)\?[^\s'\"]*", r"\1", reason)
    if reason.startswith("Protocol not known"):
        return InputError(f"{url}: fsspec knows no storage called {url.partition(':')[0]!r}; check the address")
    return InputError(f"{url}: cannot be read ({reason}); check the address, the network and your credentials")


def _cache() -> Path:
    if given := os.environ.get(CACHE):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glowseis"
