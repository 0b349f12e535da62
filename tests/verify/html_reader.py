"""HTML as elements, read by the parser of Python's library, which knows nothing of how a page was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr", "base", "embed", "source"}


@dataclass
class Element:
    """An element, its attributes, and what is in it."""

    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, *names: str) -> list[Element]:
        """Elements of these names in it, in order; all of them without a name."""
        inside = [child for child in self.children if isinstance(child, Element)]
        found = [(child, child.all(*names)) for child in inside]
        return [each for child, more in found for each in [child] * (child.name in names or not names) + more]

    def lines(self) -> list[list[str]]:
        """The body of a table, as the words of its cells."""
        return [[" ".join(cell.text.split()) for cell in line.all("th", "td")] for line in self.all("tr")[1:]]


class Reader(HTMLParser):
    """Builds elements, and insists that each is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag

    def handle_data(self, data: str) -> None:
        into = self.open[-1]
        # By the HTML standard, section 13.2.6.4.7, a line feed right after <pre> is no part of it.
        into.children.append(data.removeprefix("\n") if into.name == "pre" and not into.children else data)


def read(text: str) -> Element:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root]
    return reader.root
