import pandas as pd

from eval.results.table_text import aligned, latex, latex_text, markdown
from glowseis.pages.table import Table


def some_table(cell="1.0 ± 0.10"):
    frame = pd.DataFrame(
        [["a", "x_1 & 50 %", cell], ["a", "y | z", "-3.1"], ["b", "w", "-"]], columns=["c", "d", "F1 (%)"]
    )
    return Table("table9-x", "Table 9. What is #1", frame, ("It is $5_000.",), words=2)


def test_terminal_s_columns_are_aligned():
    lines = aligned(some_table()).splitlines()
    rows = lines[2:3] + lines[4:7]
    assert {len(row) for row in rows} == {len(lines[3])}
    assert rows[2].startswith("   y | z")
    assert lines[-1] == "It is $5_000."


def test_markdown_escapes_what_would_end_a_cell():
    lines = markdown(some_table()).splitlines()
    assert lines[0] == "### Table 9. What is #1"
    assert lines[2:5] == ["| c | d | F1 (%) |", "| --- | --- | --: |", r"| a | x\_1 & 50 % | 1.0 ± 0.10 |"]
    assert lines[5] == r"|  | y \| z | -3.1 |"


def test_latex_is_escaped():
    text = latex(some_table())
    assert r"\caption{What is \#1. It is \$5\_000.}" in text
    assert r"a & x\_1 \& 50 \% & 1.0 $\pm$ 0.10 \\" in text
    assert r"y \textbar{} z & $-$3.1 \\" in text
    assert r"\addlinespace b & w & - \\" in text
    assert latex_text(r"a\b{c}^~<>") == (
        r"a\textbackslash{}b\{c\}\textasciicircum{}\textasciitilde{}\textless{}\textgreater{}"
    )
    assert latex_text("2020-01-02, [-1, -0.5]") == "2020-01-02, [$-$1, $-$0.5]"
    assert latex_text("波") == "?"
