"""The paper's two tables, the rare class's figures and the contrasts, for reading, and all of a study's table files.

Figures are in per cent, mean ± standard error as in the paper; `eval.results.long_tables` has them unrounded.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from eval.results.collection import Results
from eval.results.contrasts import (
    IN_WORDS,
    KINDS_IN_WORDS,
    LEAST_P,
    Contrast,
    contrasts,
    deciding,
    learnt_nothing,
    summary,
)
from eval.results.long_tables import (
    FIGURES,
    confusion_table,
    contrast_table,
    failure_table,
    sets_scored,
    table1,
    table2,
    table3,
)
from eval.results.published import ACCURACY_NOTE, PUBLISHED, TABLE_2_NOTE
from eval.results.statistics import Mean
from eval.results.table_text import aligned, latex, markdown
from eval.study.names import ARMS
from glowseis.files import whole_file
from glowseis.pages.table import Table
from glowseis.survey.cells import safe_table

_HEADS = ("precision (%)", "recall (%)", "F1 (%)")
_TEST_SETS = {"folds": "test folds", "independent": "independent survey"}
_NO_FIGURE = "-"


def tables(results: Results) -> list[Table]:
    """All tables for reading, the headline's folds first: tables 1 to 3, then the contrasts.

    Args:
        results: The study's results.
    """
    numbers = table1(results), table2(results), table3(results)
    made = []
    for kind in results.kinds:
        made += [_table1(results, kind, numbers[0]), _table2(results, kind, numbers[1])]
        made += [_table3(results, kind, numbers[2])]
        tested = [one for on in sets_scored(results) for one in contrasts(results, kind, on)]
        if tested:
            made.append(_contrasts(results, kind, tested))
    return made


def terminal(results: Results) -> str:
    """Summary and tables for a terminal.

    Args:
        results: The study's results.
    """
    return "\n\n".join([summary(results), *(aligned(table) for table in tables(results))])


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write all tables, in place of older ones.

    Args:
        results: The study's results.
        folder: Folder for the files; made if missing.

    Returns:
        `table1.csv`, `table2.csv`, `table3.csv`, `contrasts.csv`, `confusion.csv`, `failures.csv`, `tables.md`, which
        begins with the summary, and `tables.tex`.

    Raises:
        OSError: The disk is full or not writable.
    """
    shown = tables(results)
    opening = "% Tables of a study; \\usepackage{array, booktabs, graphicx}, and \\input this file.\n\n"
    contents = {
        "table1.csv": _csv(table1(results)),
        "table2.csv": _csv(table2(results)),
        "table3.csv": _csv(table3(results)),
        "contrasts.csv": _csv(contrast_table(results)),
        "confusion.csv": _csv(confusion_table(results)),
        "failures.csv": _csv(failure_table(results)),
        "tables.md": "\n\n".join([summary(results), *(markdown(table) for table in shown)]) + "\n",
        "tables.tex": opening + "\n\n".join(latex(table) for table in shown) + "\n",
    }
    for name, content in contents.items():
        with whole_file(folder / name, replace=True) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def _table1(results: Results, kind: str, numbers: pd.DataFrame) -> Table:
    rows = []
    for name in results.labels:
        for arm, title in _rows(results):
            if arm in results.arms or any(name in row.classes for row in PUBLISHED):
                rows.append([name, title, *_cells(results, kind, arm, numbers[numbers["class"] == name], FIGURES)])
    return Table(
        f"table1-{kind}",
        f"Table 1. Classes, {_over(results, kind)}: mean ± standard error in per cent",
        pd.DataFrame(rows, columns=["class", "arm", *_HEADS]),
        _notes(results, kind),
        words=2,
    )


def _table2(results: Results, kind: str, numbers: pd.DataFrame) -> Table:
    rows = [[title, *_cells(results, kind, arm, numbers, (*FIGURES, "accuracy"))] for arm, title in _rows(results)]
    return Table(
        f"table2-{kind}",
        f"Table 2. Weighted averages and accuracy, {_over(results, kind)}: mean ± standard error in per cent",
        pd.DataFrame(rows, columns=["arm", *_HEADS, "accuracy (%)"]),
        (*_notes(results, kind), TABLE_2_NOTE, ACCURACY_NOTE),
    )


def _table3(results: Results, kind: str, numbers: pd.DataFrame) -> Table:
    heads = {
        "f1": "F1",
        "std": "std of F1",
        "pooled_f1": "pooled F1",
        "average_precision": "PR-AUC",
        "balanced_accuracy": "balanced accuracy",
        "calibration_error": "calibration error",
    }
    notes = [
        *_notes(results, kind),
        "Pooled F1 is computed from the summed counts of all folds, with its 95 % interval by stratified bootstrap; "
        "the calibration error is computed over the gathers of all folds.",
    ]
    if results.independent:
        heads |= {"independent_f1": "independent F1", "independent_average_precision": "independent PR-AUC"}
        notes.append(
            "Independent: on a second survey, weighted to the fractions of the first, mean over the folds' models."
        )
    rows = []
    for arm in results.arms:
        own = _figures(numbers, kind, arm)
        cells = _cells(results, kind, arm, numbers, list(heads))
        if own:
            cells[1] = _percent(own["f1"].std)
            cells[2] += f" [{_percent(own['pooled_f1_low'].mean)}, {_percent(own['pooled_f1_high'].mean)}]"
        rows.append([ARMS[arm].title, *cells])
    title = f"Table 3. The rare class ({results.rare}), {_over(results, kind)}: mean ± standard error in per cent"
    return Table(f"table3-{kind}", title, pd.DataFrame(rows, columns=["arm", *heads.values()]), tuple(notes))


def _contrasts(results: Results, kind: str, made: list[Contrast]) -> Table:
    rows = [
        [
            _TEST_SETS[one.on],
            f"{ARMS[one.first].title} minus {ARMS[one.second].title}",
            *(_figures_of(one) if one.first_mean or one.second_mean else ["neither learnt", *[_NO_FIGURE] * 3]),
        ]
        for one in made
    ]
    heads = ["tested on", "contrast", "difference", "p", "p by Holm", "pooled difference"]
    decides, on = deciding(results)
    notes = [
        *_notes(results, kind),
        "Difference with its 95 % interval and p: corrected resampled t-test (Nadeau & Bengio 2003) over the folds "
        "that both arms finished. Pooled difference: of the pooled F1, with its paired 95 % bootstrap interval.",
        "The primary contrast was fixed in advance; the deciding one is on "
        f"{KINDS_IN_WORDS.get(decides, decides)}, tested on {_TEST_SETS[on]}. All others of one kind of folds on one "
        "test set form a family for Holm's correction.",
    ]
    if results.independent:
        notes.append(
            "On the independent survey the test shows the effect of other training gathers, not of other test gathers."
        )
    title = f"Contrasts of the F1 of {results.rare}, {_over(results, kind)}, in percentage points"
    return Table(f"contrasts-{kind}", title, pd.DataFrame(rows, columns=heads), tuple(notes), words=2)


def _figures_of(contrast: Contrast) -> list[str]:
    test, pooled = contrast.test, contrast.pooled
    return [
        _interval(test.difference, test.low, test.high),
        p_cell(test.p),
        "primary" if contrast.primary else p_cell(contrast.holm),
        _interval(pooled.value, pooled.low, pooled.high) if pooled else _NO_FIGURE,
    ]


def _rows(results: Results) -> list[tuple[str, str]]:
    """Names and titles of a table's rows: the paper's, then the arms."""
    return [(row.title, row.title) for row in PUBLISHED] + [(arm, ARMS[arm].title) for arm in results.arms]


def _cells(results: Results, kind: str, arm: str, numbers: pd.DataFrame, figures: Sequence[str]) -> list[str]:
    """Figures of a row, with dashes for missing ones; the row of an arm without any says why."""
    own = _figures(numbers, kind, arm)
    if not own and arm in results.arms:
        why = "failed" if results.failure(kind, arm) else "not run yet"
        return [why, *[_NO_FIGURE] * (len(figures) - 1)]
    cells = []
    for figure in figures:
        value = own.get(figure)
        error = "" if value is None or np.isnan(value.standard_error) else f" ± {100 * value.standard_error:.2f}"
        cells.append(_NO_FIGURE if value is None else _percent(value.mean) + error)
    return cells


def _figures(numbers: pd.DataFrame, kind: str, arm: str) -> dict[str, Mean]:
    """Figures of an arm, or of one of the paper's rows."""
    own = numbers[(numbers["arm"] == arm) & numbers["kind"].isin([kind, "published"])]
    columns = [own[name] for name in ("figure", "mean", "std", "standard_error", "folds")]
    return {str(figure): Mean(*values) for figure, *values in zip(*columns, strict=True)}


def _notes(results: Results, kind: str) -> tuple[str, ...]:
    notes = [f"{ARMS[arm].title} {failure}" for arm in results.arms if (failure := results.failure(kind, arm))]
    for on in sets_scored(results):
        lost = [IN_WORDS[arm] for arm in results.arms if learnt_nothing(results, kind, arm, on)]
        if lost:
            notes.append(f"Learnt nothing, and found no {results.rare} gather, {_TEST_SETS[on]}: {', '.join(lost)}.")
    counts = {len(results.outcomes[kind, arm]) for arm in results.arms}
    if counts != {results.folds}:
        uneven = ", not the same for all arms" if len(counts) > 1 else ""
        notes.insert(0, f"The study is not finished: {results.progress(kind)}{uneven}.")
    return tuple(notes)


def _over(results: Results, kind: str) -> str:
    done = results.progress(kind).removesuffix(" folds")
    number = str(results.folds) if done == f"{results.folds} of {results.folds}" else done
    return f"{number} {KINDS_IN_WORDS.get(kind, kind + ' folds')}"


def _interval(value: float, low: float, high: float) -> str:
    if np.isnan(low):
        return f"{100 * value:+.1f}"
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def p_cell(p: float) -> str:
    """A probability as a cell of a table.

    Args:
        p: The probability.
    """
    if np.isnan(p):
        return _NO_FIGURE
    return f"{p:.3f}" if p >= LEAST_P else f"< {LEAST_P}"


def _percent(value: float) -> str:
    return _NO_FIGURE if np.isnan(value) else f"{100 * value:.1f}"


def _csv(frame: pd.DataFrame) -> str:
    return safe_table(frame).to_csv(index=False, lineterminator="\n")
