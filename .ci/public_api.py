#!/usr/bin/env python3
"""Prints the public API of the library, from the pages that `cargo doc --no-deps --lib` has written.

Each item comes with its declaration, its methods and the traits that it implements. Blanket and automatic
implementations are left out. `docs/public-api.txt` is the listing that is committed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path

LEFT_OUT = {"synthetic-implementations-list", "blanket-implementations-list", "implementors-list",
            "synthetic-implementors-list", "foreign-impls"}
VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}


class Page(HTMLParser):
    """Collects the text of declarations (`item-decl`) and of method and impl headings (`code-header`)."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.open = []
        self.taken = None
        self.skipped = None

    def handle_starttag(self, tag, attrs):
        if tag in VOID:
            return
        attrs = dict(attrs)
        self.open.append(tag)
        classes = (attrs.get("class") or "").split()
        if self.skipped is None and (attrs.get("id") in LEFT_OUT or "docblock" in classes
                                     or "src" in classes or "since" in classes):
            self.skipped = len(self.open)
        elif self.taken is None and ("item-decl" in classes or "code-header" in classes):
            self.taken = (len(self.open), "" if "item-decl" in classes else "  " if tag == "h3" else "    ", [])

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if self.taken is not None and len(self.open) == self.taken[0]:
            _, indent, text = self.taken
            text = "".join(text).replace("\u24d8", "").replace("]pub", "] pub")
            lines = [" ".join(line.split()) for line in text.splitlines()]
            self.lines.append(indent + "\n      ".join(line for line in lines if line))
            self.taken = None
        if self.skipped == len(self.open):
            self.skipped = None
        self.open.pop()

    def handle_data(self, data):
        if self.taken is not None and self.skipped is None:
            self.taken[2].append(data)


class Index(HTMLParser):
    """The items of `all.html`; a page that is not there is left from an earlier name."""

    def __init__(self):
        super().__init__()
        self.pages = []

    def handle_starttag(self, tag, attrs):
        href = dict(attrs).get("href") or ""
        if tag == "a" and "." in href and not href.startswith((".", "#", "http")):
            self.pages.append(href)


def listing(lines):
    """The declaration, then inherent methods; of traits that are implemented, the headings alone."""
    yield lines[0]
    is_own = False
    for line in lines[1:]:
        if line.startswith("  impl"):
            is_own = " for " not in line
            if is_own or "StructuralPartialEq" not in line:
                yield line
        elif line.startswith("    ") and is_own:
            yield line


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "target/doc") / "loopctl"
    index = Index()
    index.feed((root / "all.html").read_text())
    pages = {href for href in index.pages if (root / href).is_file() and href != "index.html"}
    for href in sorted(pages, key=lambda href: (href.count("/"), href.split(".", 1)[1])):
        page = Page()
        page.feed((root / href).read_text())
        path = "::".join(("loopctl", *Path(href).parent.parts))
        lines = list(listing(page.lines))
        print(f"{path}: {lines[0].strip()}", *lines[1:], sep="\n")


main()
