"""The progress bar shows in terminals and notebooks only."""

import builtins
import io
import sys
from types import ModuleType, SimpleNamespace

import pytest

from sk_emotion.utils import show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def open_terminal(monkeypatch):
    """Replace standard error by a terminal; pytest would replace it again after a fixture."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


@pytest.fixture
def displayed(monkeypatch):
    """Imitate a notebook; return what it displays."""
    shown = []
    module = ModuleType("IPython.display")
    module.display = lambda value, display_id: (shown.append(value), SimpleNamespace(update=shown.append))[1]
    shell = type("ZMQInteractiveShell", (), {"kernel": None})()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    return shown


def test_nothing_is_shown_in_a_file(capsys):
    with show_progress("Reading", 2) as advance:
        assert advance is None
    assert capsys.readouterr().err == ""


def test_bar_in_a_terminal_counts_and_changes_its_text(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with show_progress("Reading [1]", 3) as advance:
        assert "Reading [1]" in terminal.getvalue() and "0/3" in terminal.getvalue()
        advance(2, description="Writing")
    assert "Writing" in terminal.getvalue() and "2/3" in terminal.getvalue()


def test_lines_are_printed_above_the_bar(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with show_progress("Reading", 1):
        print("[1/2] a line", file=sys.stderr)
    assert "[1/2] a line\n" in terminal.getvalue()


def test_lines_printed_to_a_file_are_not_drawn_into_the_terminal(monkeypatch, capsys):
    terminal = open_terminal(monkeypatch)
    with show_progress("Reading", 1):
        print("a,b")
    assert capsys.readouterr().out == "a,b\n"
    assert "a,b" not in terminal.getvalue()


def test_notebook_displays_the_bar_again_after_each_step(displayed, capsys):
    with show_progress("Reading", 2) as advance:
        advance()
        advance(description="Writing")
    texts = [value._repr_mimebundle_([], [])["text/plain"] for value in displayed]
    assert len(texts) == 3
    assert "Reading" in texts[0] and "Writing" in texts[-1] and "2/2" in texts[-1]
    assert capsys.readouterr().err == ""
