"""The shell command ``sk-emotion``.

Everything heavy is imported inside the commands, so that ``sk-emotion --help`` answers at once.
"""

import sys
import warnings
from typing import Annotated

import typer

from ._compare import compare
from ._evaluate import evaluate
from ._predict import predict
from ._train import train

app = typer.Typer(
    name="sk-emotion",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, evaluate, predict, compare):
    app.command()(command)

_EXIT_ERROR = 2


def main(args: list[str] | None = None) -> None:
    """Run the command; what is wrong with data or files is one line on standard error, and exit code 2."""
    from ..exceptions import SkEmotionError

    in_python = warnings.formatwarning
    # The line of code that warns is of no use to who reads a shell.
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name or sign that the terminal cannot show must not cost the result.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args)
    except (SkEmotionError, OSError, ValueError) as error:
        # scikit-learn's own complaints about data are ValueErrors.
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(_EXIT_ERROR)
    finally:
        warnings.formatwarning = in_python


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"sk-emotion {__version__}")
        raise typer.Exit


@app.callback()
def _group(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recognise emotions in images of faces.

    Exit codes: 0 done; 1 predict could not read all pictures; 2 nothing done, and why on standard error; 130
    interrupted.
    """
