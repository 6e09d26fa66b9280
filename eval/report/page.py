"""The report's page: markup, its style sheet for phones and screens, light and dark, and nothing from elsewhere."""

import html
from collections.abc import Iterable

from eval.report.drawing import colour_rules

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The browser is told to load nothing: what the page shows, it holds."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--band:#f6f8fa;--line:#d1d9e0;--ink:#1f2328;--soft:#57606a;--link:#0969da;
--shade:#0003;--share:9 105 218;LIGHT}
@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--band:#161b22;--line:#30363d;--ink:#e6edf3;--soft:#aab3bd;
--link:#58a6ff;--shade:#fff3;--share:56 139 253;DARK}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:80rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
h1,h2,h3{line-height:1.25}
h2{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid var(--line)}
.first{font-size:1.2rem}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;list-style:none}
.scroll{overflow-x:auto;max-width:100%;background:linear-gradient(to right,var(--paper) 30%,transparent) 0 0/3rem 100%,
linear-gradient(to left,var(--paper) 30%,transparent) 100% 0/3rem 100%,
linear-gradient(to right,var(--shade),transparent) 0 0/.75rem 100%,
linear-gradient(to left,var(--shade),transparent) 100% 0/.75rem 100%;background-repeat:no-repeat;
background-attachment:local,local,scroll,scroll}
.scroll:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;margin:0 0 1rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
caption{text-align:left;color:var(--soft);padding:.25rem 0;max-width:min(60rem,calc(100vw - 2rem))}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th[scope=row],th.words,td.words{text-align:left}
td.long{white-space:normal;min-width:16rem}
thead th{background:var(--band);vertical-align:bottom}
tr.paper>*{color:var(--soft);font-style:italic}
tr.next>*{border-top:2px solid var(--line)}
.matrices{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:.5rem 1.5rem}
.matrices td,.matrices th{padding:.3rem .4rem}
.note{margin:-.5rem 0 1rem;color:var(--soft);font-size:.9rem;max-width:60rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:1.5rem 1rem}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr));gap:1rem}
figure{margin:0;min-width:0}
figure>svg{display:block;width:100%;height:auto;max-width:34rem}
figcaption{color:var(--soft);font-size:.9rem}
.family{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.5rem}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem}
.family img,.pair img{width:100%;height:auto;display:block;border:1px solid var(--line)}
.pixels img{image-rendering:pixelated}
.picture{font-size:.8rem;color:var(--soft)}
pre{overflow-x:auto;padding:.75rem;background:var(--band);border:1px solid var(--line);overflow-wrap:normal}
code{overflow-wrap:anywhere}
@media (max-width:40rem){th,td{padding:.25rem .4rem;font-size:.85rem}
th[scope=row],td.words{white-space:normal;max-width:8rem;min-width:4rem}td.long{max-width:none}}
"""


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str | bool) -> Html:
    """An element; its text and attributes are escaped.

    Args:
        name: The tag, such as `td`.
        content: What it holds; markup where it is `Html`, else text.
        attributes: Its attributes, a trailing underscore left out (`class_`) and others become hyphens; False leaves
            one out.
    """
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not False
    )
    start = f"<{name}{''.join(pairs)}>"
    return Html(start) if name in ("img", "meta", "br") else Html(f"{start}{join(content)}</{name}>")


def join(content: Iterable[str]) -> Html:
    """Several pieces one after another; markup where they are `Html`, else text."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part, quote=False) for part in content))


def scrolling(content: Html, name: str) -> Html:
    """A box that scrolls sideways by itself, with the keyboard too, so that the page need not.

    Args:
        content: What it holds, such as a wide table.
        name: What it is called for readers that do not see it.
    """
    return element("div", content, class_="scroll", role="region", aria_label=name, tabindex="0")


def section(name: str, title: str, *content: str) -> Html:
    """A section of the page under a heading.

    Args:
        name: Its id.
        title: Its heading.
        content: What follows.
    """
    return element("section", element("h2", title, id=name), *content, aria_labelledby=name)


def page(title: str, first: str, about: str, sections: dict[tuple[str, str], Html]) -> str:
    """The whole page.

    Args:
        title: Its title.
        first: The sentence that says what came out.
        about: A line on where the figures are from.
        sections: What they hold, by id and heading; empty ones are left out.

    Returns:
        The text of an HTML file that needs no other.
    """
    style = STYLE.replace("LIGHT", colour_rules(dark=False)).replace("DARK", colour_rules(dark=True))
    shown = {names: content for names, content in sections.items() if content}
    links = (element("li", element("a", heading, href=f"#{name}")) for name, heading in shown)
    head = join(
        [
            element("meta", charset="utf-8"),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            element("meta", name_="viewport", content_="width=device-width, initial-scale=1"),
            element("meta", name_="color-scheme", content_="light dark"),
            element("title", title),
            Html(f"<style>{style}</style>"),
        ]
    )
    body = join(
        [
            element(
                "header",
                element("h1", title),
                element("p", first, class_="first"),
                element("p", about),
                element("nav", element("ul", *links), aria_label="Sections"),
            ),
            element("main", *(section(*names, content) for names, content in shown.items())),
        ]
    )
    document = element("html", Html("<head>"), head, Html("</head><body>"), body, Html("</body>"), lang="en")
    return f"<!doctype html>\n{document}\n"
