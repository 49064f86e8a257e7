"""Check the built pages: every internal link has a target, and no page loads external resources.

python docs/check_links.py docs/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}
# Links of these kinds load nothing.
NOT_LOADED = {"canonical", "next", "prev", "search", "index", "license", "author"}


class Page(HTMLParser):
    """The link targets, links and loaded resources of a page."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.links, self.loaded = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = {name: value for name, value in attrs if value}
        self.targets |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag == "link" and "href" in given and given.get("rel") not in NOT_LOADED:
            self.loaded.add(given["href"])
        elif tag in LOADED and LOADED[tag] in given:
            self.loaded.add(given[LOADED[tag]])


def find_problems(folder):
    """Yield a line per broken link and per external resource."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html") if "_static" not in path.parts}
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        for link in sorted(page.links | page.loaded):
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if link in page.loaded:
                    yield f"{name}: loads {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{name}: {link} does not exist"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].targets:
                yield f"{name}: {link} refers to a missing anchor"


if __name__ == "__main__":
    problems = list(find_problems(Path(sys.argv[1])))
    print("\n".join(problems) or "No broken links and no external resources.")
    sys.exit(bool(problems))
