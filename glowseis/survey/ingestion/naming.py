"""How gathers of several files get ids of their own."""

import itertools
import re
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path

from glowseis.survey.formats.source import file_stem


def id_prefixes(paths: Sequence[Path]) -> dict[Path, str]:
    """Prefixes for the ids of gathers, from the folders of files that have the same name but for its ending.

    Args:
        paths: All files that are read together.
    """
    alike = Counter(map(file_stem, paths))
    folders = {path: re.sub(r"[^\w.-]+", "-", path.absolute().parent.name) for path in paths}
    return {
        path: f"{folder.lstrip('.-')[:60]}-"
        for path, folder in folders.items()
        if alike[file_stem(path)] > 1 and folder.lstrip(".-")
    }


def free_name(name: str, taken: Container[str]) -> str:
    """A gather's id, or if that is taken the first of `-2`, `-3` and so on that is not.

    Args:
        name: The id.
        taken: Ids of other gathers.
    """
    if name not in taken:
        return name
    return next(again for number in itertools.count(2) if (again := f"{name}-{number}") not in taken)
