"""The shell command ``sk-emotion``.

Heavy imports are deferred to the commands so that ``sk-emotion --help`` is fast.
"""

import sys
import warnings
from typing import Annotated, Any

import typer

from ..exceptions import SkEmotionError
from ..utils import withhold
from ._compare import compare
from ._evaluate import evaluate
from ._export import export
from ._output import flush_streams, format_message, open_streams, print_message
from ._predict import predict
from ._train import train

app = typer.Typer(
    name="sk-emotion",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, evaluate, predict, compare, export):
    app.command()(command)

_EXIT_ERROR, _EXIT_INTERRUPTED = 2, 130

# The base class of Typer's own errors, which has no public name in every version.
_ArgumentError: Any = typer.BadParameter.__mro__[2]


def main(args: list[str] | None = None) -> None:
    """Run the command; print errors in arguments, data or files as one line on standard error and exit with code 2."""
    # An option and its value may be one argument.
    sources = [
        part for given in args or sys.argv[1:] for part in (given, given.lstrip("-"), *given.lstrip("-").partition("="))
    ]

    def write_line(kind: str, message: object) -> str:
        return format_message(kind, withhold(str(message), sources))

    original_format = warnings.formatwarning
    # The source line of a warning is of no use in a shell.
    warnings.formatwarning = lambda message, *_, **__: f"{write_line('Warning', message)}\n"
    open_streams()
    code = _EXIT_ERROR
    try:
        code = app(args, standalone_mode=False) or 0
    except KeyboardInterrupt:
        code = _EXIT_INTERRUPTED
    except _ArgumentError as error:
        # Without arguments, the help has already been printed.
        if type(error).__name__ != "NoArgsIsHelpError":
            context = getattr(error, "ctx", None)
            advice = "" if context is None else f" Try '{context.command_path} --help'."
            print_message(write_line("Error", f"{error.format_message().rstrip('.')}.{advice}"))
    except (SkEmotionError, OSError, ValueError, MemoryError) as error:
        # scikit-learn raises ValueError for invalid data.
        print_message(write_line("Error", str(error) or "there is not enough memory."))
    finally:
        warnings.formatwarning = original_format
        flush_streams()
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
    """Recognize emotions in images of faces.

    Exit codes: 0 success; 1 predict could not read some images; 2 error, described on standard error; 130
    interrupted; 141 broken pipe.
    """
