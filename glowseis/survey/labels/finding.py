"""Which of a survey's gathers a row of a file of labels names."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.ingestion.label_rows import Key, LabelRow, ShotRange
from glowseis.survey.store.survey import Survey


class Finder:
    """Finds the gathers of rows; those that a row names by numbers are recorded ones.

    Args:
        survey: The survey.
        keys: The key columns of the rows.
        name: The rows' file.
    """

    def __init__(self, survey: Survey, keys: Sequence[str], name: str):
        index = survey.index
        self._ids = index["gather_id"].to_numpy(object)
        self._rows = {unicodedata.normalize("NFC", gather_id): row for row, gather_id in enumerate(self._ids)}
        self._keys, self._name = keys, name
        columns = {"line": "sail_line", "shot": "shot", "cable": "cable"}
        self._numbers = {key: index[column].to_numpy() for key, column in columns.items()}
        self._others = [key for key in keys if key in columns and key != "shot"]
        self._groups: dict[Key, np.ndarray] = {}
        if "gather_id" not in keys:
            recorded = index[(index["parents"] == "").to_numpy()]
            triples = index[["sail_line", "shot", "cable"]].loc[recorded.index]
            self._again = np.zeros(len(index), bool)
            self._again[recorded.index[triples.duplicated(keep=False)]] = True
            by_shot = recorded.sort_values("shot", kind="stable")
            if self._others:
                grouped = by_shot.groupby([columns[key] for key in self._others], sort=False).indices
                places = by_shot.index.to_numpy()
                self._groups = {
                    tuple(map(int, group if isinstance(group, tuple) else (group,))): places[rows]
                    for group, rows in grouped.items()
                }
            else:
                self._groups = {(): by_shot.index.to_numpy()}

    def gathers(self, row: LabelRow) -> np.ndarray:
        """Row numbers of a row's gathers, int64 `[gather]`; none if the survey has none.

        Raises:
            InputError: The row fits gathers of several sail lines, or several of one line, shot and cable.
        """
        values = dict(zip(self._keys, row.key, strict=True))
        if "gather_id" in values:
            found = self._rows.get(str(values["gather_id"]))
            fits = found is not None and all(
                _first(values[key]) <= self._numbers[key][found] <= _last(values[key])
                for key in self._numbers
                if key in values
            )
            return np.array([found] if fits else [], np.int64)
        group: Key = tuple(values[key] for key in self._others)
        gathers = self._groups.get(group, np.zeros(0, np.int64))
        if "shot" not in values:
            return gathers
        shots = self._numbers["shot"][gathers]
        start, end = np.searchsorted(shots, [_first(values["shot"]), _last(values["shot"]) + 1])
        gathers = gathers[start:end]
        lines = np.unique(self._numbers["line"][gathers])
        where = f"{self._name}, row {row.number}: {row.named(self._keys)} fits gathers of"
        if len(lines) > 1 and "line" not in values:
            raise InputError(
                f"{where} several sail lines, {lines[0]} and {lines[1]}; add a column line that says which is meant"
            )
        again = gathers[self._again[gathers]]
        if len(again):
            raise InputError(
                f"{where} one line, shot and cable, such as {', '.join(self._ids[again[:2]])}; name them by gather_id"
            )
        return gathers


def _first(value: str | int | ShotRange) -> int:
    return value.first if isinstance(value, ShotRange) else int(value)


def _last(value: str | int | ShotRange) -> int:
    return value.last if isinstance(value, ShotRange) else int(value)
