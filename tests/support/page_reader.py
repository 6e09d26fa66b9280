"""A page as a program reads it: its tables, and whether its markup is whole. Needs no browser."""

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class PageReader(HTMLParser):
    """Reads a page and fails on markup that is not whole.

    Attributes:
        source: The page.
        elements: Names and attributes of all elements, in their order.
        tables: Rows of cells' text, by the table's id.
        text: All text.
    """

    def __init__(self, text):
        super().__init__()
        self.source, self.elements, self.tables, self.text = text, [], {}, ""
        self._open, self._rows = [], None
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute of {tag} comes twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = self.tables[dict(attrs)["id"]] = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open and self._open[-1] == tag, f"{tag} is closed within {self._open}"
        self._open.pop()

    def handle_data(self, data):
        self.text += data
        if "td" in self._open or "th" in self._open:
            self._rows[-1][-1] += data

    def all(self, tag):
        """Attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def check_alone(self):
        """Make sure that the page loads nothing and runs nothing, and that what it refers to is within it."""
        every = [attributes for _, attributes in self.elements]
        ids = [attributes["id"] for attributes in every if "id" in attributes]
        assert len(set(ids)) == len(ids)
        for attributes in every:
            for name in ("src", "href", "srcset", "data", "action", "poster"):
                assert re.match(r"#|data:image/png;base64,", attributes.get(name, "#")), attributes
            assert not any(name.startswith("on") for name in attributes), attributes
            named = [attributes["href"][1:]] if attributes.get("href", "").startswith("#") else []
            named += re.findall(r"url\(#?([^)]*)\)", " ".join(value or "" for value in attributes.values()))
            assert set(named) <= set(ids), set(named) - set(ids)
            assert attributes.get("aria-labelledby", ids[0]) in ids
        assert not {"script", "link", "iframe", "object", "base"} & {name for name, _ in self.elements}
        assert "@import" not in self.source and "url(http" not in self.source
        policy = next(one for one in self.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
        assert policy["content"].startswith("default-src 'none'")
        return ids
