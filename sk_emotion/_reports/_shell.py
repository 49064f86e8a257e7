"""Building blocks of pages: sections, figures with captions, and tables."""

import re
from collections.abc import Iterable, Sequence
from html import escape as escape_markup
from typing import Any, NamedTuple

from ..utils._text import printable
from ._style import FRAGMENT_STYLE, PAGE_STYLE


class Html(str):
    """Text that is already HTML; other text is escaped when it is added to a page."""

    __slots__ = ()


def escape(text: Any) -> str:
    """Escape markup and control characters, and put text on one line."""
    return escape_markup(printable(text))


def escape_lines(text: str) -> Html:
    """Escape each line of a text, keeping the line breaks."""
    return Html("\n".join(map(escape, text.splitlines())))


class Section(NamedTuple):
    """A section of a page, linked from its table of contents; omitted if its body is empty."""

    title: str
    body: str


def render_page(heading: str, lead: str, sections: Iterable[Section]) -> str:
    """Render a page with heading, lead, table of contents and all nonempty sections."""
    shown = [(re.sub(r"\W+", "-", section.title.lower()), section) for section in sections if section.body]
    links = "".join(f'<li><a href="#{anchor}">{escape(section.title)}</a></li>\n' for anchor, section in shown)
    body = "".join(
        f'<section><h2 id="{anchor}">{escape(title)}</h2>\n{content}</section>\n' for anchor, (title, content) in shown
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Without an icon, a browser would request one from a server.
        f'<link rel="icon" href="data:,"><title>{escape(heading)}</title>'
        f"<style>{PAGE_STYLE}{FRAGMENT_STYLE}</style></head>\n<body>"
        f"<header><h1>{escape(heading)}</h1><p>{escape(lead)}</p></header>\n"
        f'<nav aria-labelledby="contents"><h2 id="contents">Contents</h2><ol>\n{links}</ol></nav>\n'
        f'<main class="ske">{body}</main></body></html>\n'
    )


def render_fragment(*parts: str) -> str:
    """Render the HTML shown in a notebook."""
    return f'<div class="ske"><style>{FRAGMENT_STYLE}</style>{"".join(parts)}</div>\n'


def figure(content: str, caption: str) -> Html:
    """Add a caption below some content; return nothing without content."""
    return Html(f"<figure>{content}<figcaption>{_text(caption)}</figcaption></figure>\n" if content else "")


def table(
    label: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", row_kinds: Sequence[str] = ()
) -> Html:
    """Render a table whose rows start with their name; tables wider than the screen scroll.

    Parameters
    ----------
    label : str
        Label for screen readers.
    header : sequence of str
        Names of the columns.
    rows : iterable of sequence of str
        Cells; text is escaped, :class:`Html` is not and may contain its own ``<td>``.
    kind : str, default=""
        CSS class of the table: ``"text"`` for text instead of numbers, ``"confusion"``, ...
    row_kinds : sequence of str, default=()
        CSS class of each row.
    """
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = []
    for number, (name, *cells) in enumerate(rows):
        row_kind = row_kinds[number] if number < len(row_kinds) else ""
        opening = f'<tr class="{row_kind}">' if row_kind else "<tr>"
        body.append(f'{opening}<th scope="row">{_text(name)}</th>{"".join(map(_cell, cells))}</tr>')
    rows_text = "\n".join(body)
    return Html(
        # Scrollable regions must be reachable by keyboard.
        f'<div class="wide {kind}" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows_text}</tbody></table></div>\n"
    )


def panels(drawings: Iterable[tuple[str, str]], least: str = "10rem") -> Html:
    """Lay out small charts in a grid, each with a title and at least as wide as `least`."""
    items = "".join(f"<div><p>{_text(title)}</p>{drawing}</div>" for title, drawing in drawings)
    return Html(f'<div class="panels" style="--least: {least}">{items}</div>' if items else "")


def notes(*lines: str) -> Html:
    """Render each line as a paragraph."""
    return Html("".join(f'<p class="note">{_text(line)}</p>' for line in lines if line))


def render_caveats(lines: Iterable[str]) -> str:
    """Render caveats or failures as highlighted paragraphs."""
    return "".join(f'<p class="failed">{escape(line)}</p>\n' for line in lines)


def _cell(cell: str) -> str:
    return cell if isinstance(cell, Html) and cell.startswith("<td") else f"<td>{_text(cell)}</td>"


def _text(cell: str) -> str:
    return cell if isinstance(cell, Html) else escape(cell)
