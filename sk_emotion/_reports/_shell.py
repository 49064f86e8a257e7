"""What every page is made of: sections, figures with captions, and tables."""

import re
from collections.abc import Iterable, Sequence
from html import escape as escape_markup
from typing import Any, NamedTuple

from ..utils._text import printable
from ._style import FRAGMENT_STYLE, PAGE_STYLE


class Html(str):
    """Text that is HTML already; any other text is escaped where it is put into a page."""

    __slots__ = ()


def escape(text: Any) -> str:
    """Write text for a page on one line, so that nothing in it is a tag or a sign that is obeyed and not seen."""
    return escape_markup(printable(text))


def escape_lines(text: str) -> Html:
    """Write text of several lines for a page that keeps them."""
    return Html("\n".join(map(escape, text.splitlines())))


class Section(NamedTuple):
    """A part of a page that its table of contents leads to; it is left out if its body is empty."""

    title: str
    body: str


def render_page(heading: str, lead: str, sections: Iterable[Section]) -> str:
    """Give the whole page: heading, opening line, table of contents, and the sections that say anything."""
    shown = [(re.sub(r"\W+", "-", section.title.lower()), section) for section in sections if section.body]
    links = "".join(f'<li><a href="#{anchor}">{escape(section.title)}</a></li>\n' for anchor, section in shown)
    body = "".join(
        f'<section><h2 id="{anchor}">{escape(title)}</h2>\n{content}</section>\n' for anchor, (title, content) in shown
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Without an icon of its own, a browser would ask a server for one.
        f'<link rel="icon" href="data:,"><title>{escape(heading)}</title>'
        f"<style>{PAGE_STYLE}{FRAGMENT_STYLE}</style></head>\n<body>"
        f"<header><h1>{escape(heading)}</h1><p>{escape(lead)}</p></header>\n"
        f'<nav aria-labelledby="contents"><h2 id="contents">Contents</h2><ol>\n{links}</ol></nav>\n'
        f'<main class="ske">{body}</main></body></html>\n'
    )


def render_fragment(*parts: str) -> str:
    """Give what a notebook shows."""
    return f'<div class="ske"><style>{FRAGMENT_STYLE}</style>{"".join(parts)}</div>\n'


def figure(content: str, caption: str) -> Html:
    """Put a caption under what is shown, which says how to read it; nothing under nothing."""
    return Html(f"<figure>{content}<figcaption>{_text(caption)}</figcaption></figure>\n" if content else "")


def table(
    label: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", row_kinds: Sequence[str] = ()
) -> Html:
    """Make a table whose rows begin with their name; too wide for the screen, it is scrolled by itself.

    Parameters
    ----------
    label : str
        What the table is, for those who do not see it.
    header : sequence of str
        Names of the columns.
    rows : iterable of sequence of str
        Cells; text is escaped, :class:`Html` is not, and may bring a ``<td>`` of its own.
    kind : str, default=""
        Class of the style: ``"text"`` for words in place of numbers, ``"confusion"``, ...
    row_kinds : sequence of str, default=()
        Class of each row.
    """
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = []
    for number, (name, *cells) in enumerate(rows):
        row_kind = row_kinds[number] if number < len(row_kinds) else ""
        opening = f'<tr class="{row_kind}">' if row_kind else "<tr>"
        body.append(f'{opening}<th scope="row">{_text(name)}</th>{"".join(map(_cell, cells))}</tr>')
    rows_text = "\n".join(body)
    return Html(
        # A region that is scrolled must be reached by keys too.
        f'<div class="wide {kind}" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows_text}</tbody></table></div>\n"
    )


def panels(drawings: Iterable[tuple[str, str]], least: str = "10rem") -> Html:
    """Set small drawings side by side, each below its title, none narrower than `least`."""
    items = "".join(f"<div><p>{_text(title)}</p>{drawing}</div>" for title, drawing in drawings)
    return Html(f'<div class="panels" style="--least: {least}">{items}</div>' if items else "")


def notes(*lines: str) -> Html:
    """Give each line a paragraph."""
    return Html("".join(f'<p class="note">{_text(line)}</p>' for line in lines if line))


def render_caveats(caveats: Iterable[str]) -> str:
    """Render each caveat as a highlighted paragraph."""
    return "".join(f'<p class="failed">{escape(line)}</p>\n' for line in caveats)


def _cell(cell: str) -> str:
    return cell if isinstance(cell, Html) and cell.startswith("<td") else f"<td>{_text(cell)}</td>"


def _text(cell: str) -> str:
    return cell if isinstance(cell, Html) else escape(cell)
