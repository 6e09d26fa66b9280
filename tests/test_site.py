"""The site is built without a warning, its notebooks run, and what its pages say of the code is there."""

import ast
import html
import json
import os
import re
import subprocess
import tomllib
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.commands import CHECKOUT

PAGE = (CHECKOUT / "docs/paper-to-code.md").read_text()
NAMED = re.findall(r"\[(`[^]]+`)\]\(\.\./([^)#]+)\)", PAGE)


def defined(path):
    """Names of a Python file, those of classes with a dot, or keys of a recipe."""
    if path.suffix == ".toml":
        return keys(tomllib.loads(path.read_text()))
    found = set()
    for node in ast.parse(path.read_text()).body:
        names = [node.name] if hasattr(node, "name") else []
        for target in [*getattr(node, "targets", []), *([node.target] if isinstance(node, ast.AnnAssign) else [])]:
            names += [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]
        inside = node.body if isinstance(node, ast.ClassDef) else []
        found |= {*names, *(f"{node.name}.{one.name}" for one in inside if isinstance(one, ast.FunctionDef))}
    return found


def keys(table):
    return {name for name in table}.union(
        *(
            keys(one)
            for value in table.values()
            for one in (value if isinstance(value, list) else [value])
            if isinstance(one, dict)
        )
    )


@pytest.mark.parametrize("names, file", NAMED)
def test_the_paper_s_places_in_the_code(names, file):
    assert set(re.findall("`([^`]+)`", names)) <= defined(CHECKOUT / file)


def test_every_equation_figure_and_table_has_a_row():
    rows = re.findall(r"^\| ([^|]+) \|", PAGE, flags=re.M)
    equations = {
        int(number) for row in rows if re.match(r"\d", row) for number in re.findall(r"\d+", row.split(":")[0])
    }
    assert equations >= set(range(1, 15))
    for one in ("Figure 1", "Figure 2", "figure 3", "Figure 4", "Table 1", "Table 2"):
        assert any(one in row for row in rows), one


def literals():
    """Every text in the code, `…` for what is put into it."""
    for file in (CHECKOUT / "glowseis").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(one.value if isinstance(one, ast.Constant) else "…" for one in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.slow
def test_messages_are_those_of_the_code():
    said = list(literals())
    quoted = re.findall(r"^\*\*`([^`]+)`\*\*", (CHECKOUT / "docs/faq.md").read_text(), flags=re.M)
    assert len(quoted) > 10
    assert [one for one in quoted if not any(one in text for text in said)] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory, warm_python, built_package):
    """The site, with what its notebooks print and draw, all by the package as a wheel has it."""
    pytest.importorskip("myst_nb")
    folder = tmp_path_factory.mktemp("site")
    # Notebooks, too, are run in forks of a process that has imported TensorFlow.
    kernel = folder / "jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    words = [str(warm_python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": words, "display_name": "Python 3", "language": "python"}))
    environment = {**os.environ, "JUPYTER_PATH": str(folder / "jupyter"), "IPYTHONDIR": str(folder / "ipython")}
    environment["PYTHONPATH"] = str(built_package)
    words = ["-m", "sphinx", "-q", "-W", "--keep-going", "-c", f"{CHECKOUT}/docs", str(CHECKOUT), str(folder / "built")]
    # Not in the checkout, which would come first.
    done = subprocess.run(
        [warm_python, *words], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "built"


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(site):
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    anchors = {path: set(re.findall(r'\sid="([^"]+)"', page)) for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        if site / "_modules" in path.parents:
            continue  # Sphinx's links back from the source miss where one module is shown under two names.
        for found in set(re.findall(r'<(?:a|img|script)\s[^>]*?(?:href|src)="([^"]+)"', page)):
            link = urlsplit(html.unescape(found))
            if link.scheme or link.netloc:
                continue
            to = (path.parent / unquote(link.path)).resolve() if link.path else path
            if not to.is_file() or (to in anchors and link.fragment and unquote(link.fragment) not in anchors[to]):
                broken.append((str(path.relative_to(site)), found))
    assert len(pages) > 40 and broken == []


@pytest.mark.slow
def test_the_site_is_that_of_the_built_package(site, warm_python, built_package):
    """Its notebooks, too: they are run with the same environment."""
    environment = {**os.environ, "PYTHONPATH": str(built_package)}
    (site.parent / "where.py").write_text("import glowseis.train; print(glowseis.train.__file__)")
    told = subprocess.check_output([warm_python, site.parent / "where.py"], env=environment, text=True)
    assert told.strip() == str(built_package / "glowseis/train.py")


@pytest.mark.slow
@pytest.mark.parametrize("name, pictures", [("line", 3), ("flow", 3), ("sampler", 1)])
def test_notebooks_run(site, name, pictures):
    page = (site / f"docs/notebooks/{name}.html").read_text()
    cells = (CHECKOUT / f"docs/notebooks/{name}.md").read_text().count("```{code-cell}")
    assert page.count('<div class="cell docutils container">') == cells > 0
    assert len(re.findall(r'<img [^>]*src="../../_images/', page)) == pictures
