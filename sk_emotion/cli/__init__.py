"""The shell command ``sk-emotion``.

Everything heavy is imported inside the commands, so that ``sk-emotion --help`` answers at once.
"""

import sys
import warnings
from typing import Annotated, Any

import typer

from ._compare import compare
from ._evaluate import evaluate
from ._output import complain, on_one_line, open_streams, settle_streams
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

_EXIT_ERROR, _EXIT_INTERRUPTED = 2, 130

# The base class of Typer's own errors, which has no public name in every version.
_ArgumentError: Any = typer.BadParameter.__mro__[2]


def main(args: list[str] | None = None) -> None:
    """Run the command; what is wrong with arguments, data or files is a line on standard error, and exit code 2."""
    from ..exceptions import SkEmotionError
    from ..utils._text import withhold

    # An option and its value may be one argument.
    sources = [
        part for given in args or sys.argv[1:] for part in (given, given.lstrip("-"), *given.lstrip("-").partition("="))
    ]

    def write_line(kind: str, message: object) -> str:
        return on_one_line(kind, withhold(str(message), sources))

    in_python = warnings.formatwarning
    # The line of code that warns is of no use to who reads a shell.
    warnings.formatwarning = lambda message, *_, **__: f"{write_line('Warning', message)}\n"
    open_streams()
    code = _EXIT_ERROR
    try:
        code = app(args, standalone_mode=False) or 0
    except KeyboardInterrupt:
        code = _EXIT_INTERRUPTED
    except _ArgumentError as error:
        # Without any argument, the help has been printed.
        if type(error).__name__ != "NoArgsIsHelpError":
            context = getattr(error, "ctx", None)
            advice = "" if context is None else f" Try '{context.command_path} --help'."
            complain(write_line("Error", f"{error.format_message().rstrip('.')}.{advice}"))
    except (SkEmotionError, OSError, ValueError, MemoryError) as error:
        # scikit-learn's own complaints about data are ValueErrors.
        complain(write_line("Error", str(error) or "there is not enough memory."))
    finally:
        warnings.formatwarning = in_python
        settle_streams()
    sys.exit(code)


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
    interrupted; 141 the reader of a pipe has ended.
    """
