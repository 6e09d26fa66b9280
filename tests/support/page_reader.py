"""A page as a program reads it: its tables, and whether its markup is whole. Needs no browser."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class PageReader(HTMLParser):
    """Reads a page and fails on markup that is not whole.

    Attributes:
        elements: Names and attributes of all elements, in their order.
        tables: Rows of cells' text, by the table's id.
        text: All text.
    """

    def __init__(self, text):
        super().__init__()
        self.elements, self.tables, self.text = [], {}, ""
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
