"""The report's tables: figures that can be read by eyes, by screen readers and by programs."""

from collections.abc import Sequence

import numpy as np

from eval.report.page import Html, element, join, scrolling
from eval.results.table_text import Table
from eval.study.names import ARMS
from eval.study.outcome import Outcome


def number_cell(value: float, text: str = "{:.1f}", error: float | None = None) -> Html:
    """A table's number, rounded, with the unrounded value for programs.

    Args:
        value: The number; a dash stands for NaN.
        text: How it is written.
        error: What stands behind a plus-minus sign; left out when None or NaN.
    """
    if np.isnan(value):
        return Html("&ndash;")
    written = text.format(value)
    if error is not None and not np.isnan(error):
        written += f" ± {text.format(error)}"
    return element("data", written, value=repr(float(value)))


def table(name: str, caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """A table in a box of its own that scrolls sideways.

    Args:
        name: Its id.
        caption: What it says, with units.
        heads: Heads of the columns.
        rows: Cells; the first of a row is its head.
    """
    columns = (
        element("th", text, scope="col", class_="words" if place == 0 else False) for place, text in enumerate(heads)
    )
    head = element("thead", element("tr", *columns))
    body = element(
        "tbody",
        *(
            element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:]))
            for row in rows
        ),
    )
    return scrolling(element("table", element("caption", caption), head, body, id=name), caption.partition(". ")[0])


def shown_table(content: Table) -> Html:
    """One of the study's tables, as the terminal shows it.

    Args:
        content: The table.
    """
    heads = [
        element("th", str(head), scope="col", class_="words" if place < content.words else False)
        for place, head in enumerate(content.frame.columns)
    ]
    rows: list[Html] = []
    before = ""
    for row in content.frame.to_numpy().tolist():
        cells = [
            element("td", cell, class_="words" if place < content.words else False)
            for place, cell in enumerate(row[1:], start=1)
        ]
        kinds = [
            *(["paper"] if any(word.startswith("paper,") for word in row[: content.words]) else []),
            # Rows that belong together stand between lines.
            *(["next"] if content.words > 1 and rows and row[0] != before else []),
        ]
        rows.append(element("tr", element("th", row[0], scope="row"), *cells, class_=" ".join(kinds) or False))
        before = row[0]
    caption = element("caption", content.title)
    head, body = element("thead", element("tr", *heads)), element("tbody", *rows)
    shown = scrolling(element("table", caption, head, body, id=content.name), content.title)
    return join([shown, *(element("p", note, class_="note") for note in content.notes)])


def confusions(outcomes: Sequence[Outcome]) -> list[Html]:
    """Confusion matrices of each arm: of the folds' tests pooled, and of the independent survey.

    Args:
        outcomes: All of one kind of folds that did not fail.

    Returns:
        A figure an arm and test set.
    """
    figures = []
    for arm in ARMS:
        own = [outcome for outcome in outcomes if outcome.arm == arm]
        if not own:
            continue
        labels, kind = own[0].labels, own[0].kind
        pooled = np.zeros((len(labels), len(labels)))
        for outcome in own:
            np.add.at(pooled, (outcome.truth, outcome.predicted), 1)
        words = f"{ARMS[arm].title}: test gathers of {len(own)} {kind} folds, and their share of each class."
        figures.append(_confusion(f"confusion-{kind}-{arm}", words, labels, pooled, "{:.0f}"))
        judged = [outcome.independent.confusion for outcome in own if outcome.independent]
        if judged:
            words = (
                f"{ARMS[arm].title}: independent survey, weighted to the survey's fractions; mean over the models of "
                f"{len(judged)} {kind} folds."
            )
            name = f"confusion-{kind}-{arm}-independent"
            figures.append(_confusion(name, words, labels, np.mean(judged, axis=0), "{:.1f}"))
    return figures


def _confusion(name: str, caption: str, labels: Sequence[str], counts: np.ndarray, text: str) -> Html:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    rows = []
    for label, row, row_shares in zip(labels, counts, shares, strict=True):
        cells = []
        for count, share in zip(row, row_shares, strict=True):
            # Half at most: letters stay legible on it, in light and in dark.
            style = f"background:rgb(var(--share) / {share / 2:.3f})"
            words = join([number_cell(float(count), text), f" ({100 * share:.0f} %)"])
            cells.append(element("td", words, style=style))
        rows.append(element("tr", element("th", label, scope="row"), *cells))
    heads = (element("th", f"as {label}", scope="col") for label in labels)
    head = element("thead", element("tr", element("th", "labelled", scope="col", class_="words"), *heads))
    content = element("table", element("caption", caption), head, element("tbody", *rows), id=name)
    return scrolling(content, caption.partition(". ")[0])


def durations(outcomes: Sequence[Outcome]) -> Html:
    """What each arm took, by part: mean over its folds, and in all.

    Args:
        outcomes: All that did not fail.
    """
    parts = list(dict.fromkeys(part for outcome in outcomes for part in outcome.seconds))
    rows = []
    for arm in ARMS:
        own = [outcome.seconds for outcome in outcomes if outcome.arm == arm]
        if own:
            means = [float(np.mean([seconds.get(part, 0.0) for seconds in own])) for part in parts]
            whole = sum(sum(seconds.values()) for seconds in own)
            steps = float(np.mean([outcome.steps for outcome in outcomes if outcome.arm == arm]))
            numbers = [float(len(own)), steps, *means, whole]
            rows.append([ARMS[arm].title, *(number_cell(number, "{:.0f}") for number in numbers)])
    caption = (
        "Duration in seconds: mean over folds by part, then the sum of all. What several arms share, such as a flow, "
        "counts where it was made."
    )
    heads = ["arm", "folds", "steps", *parts, "all folds"]
    return table("durations", caption, heads, rows)
