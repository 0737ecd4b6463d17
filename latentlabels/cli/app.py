"""The `latentlabels` command: its subcommands, error messages, warnings and exit codes.

Exit codes: 0 success, 1 failure, 2 wrong use, 130 interrupted by Ctrl-C, 143 ended by `kill`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..errors import AnchorWarning, ConfigError, DataWarning, LabelSpaceError, LatentLabelsError, nearest
from . import (
    bench,
    cache,
    calibrate,
    complete,
    convert,
    demo,
    embed,
    evaluate,
    explore,
    export,
    fit,
    inspect,
    mistakes,
    next,
    predict,
    query,
    report,
    sample_complete,
)
from .help_text import Commands, Verbs
from .interrupt import interrupted, interruptible, leave
from .output import UsageError

SUCCESS, FAILURE, WRONG_USE, INTERRUPTED, ENDED = 0, 1, 2, 130, 143


_TABLES = ("--truth", "--complete", "--observed")
"""What a table of labels is called, by what a command does with it: an option of one command is often tried with another."""


class _Verbs(Verbs):
    """Suggests the nearest command for an unknown one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)  # in the order of use, not of the alphabet

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise UsageError(
                f'unknown command "{args[0]}"{nearest(args[0], self.commands)} (commands: {", ".join(self.commands)})'
            )
        return super().resolve_command(ctx, args)


app = Commands(
    name="latentlabels",
    help="Estimate the probability of every label of an image from partly labelled training images.",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"latentlabels {version('latentlabels')}")
        except PackageNotFoundError:
            print("latentlabels (version unknown: not installed as a package)")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("fit")(fit.fit)
app.command("predict")(predict.predict)
app.command("query")(query.query)
app.command("complete")(complete.complete)
app.command("next")(next.next_questions)
app.command("evaluate")(evaluate.evaluate)
app.command("calibrate")(calibrate.calibrate)
app.command("mistakes")(mistakes.mistakes)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("report")(report.report)
app.command("bench")(bench.bench)
app.command("inspect")(inspect.inspect)
app.command("sample-complete")(sample_complete.sample_complete)
app.command("embed")(embed.embed)
app.command("explore")(explore.explore)
app.command("serve")(explore.serve)
app.add_typer(cache.cache, name="cache")


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        args: what follows the name of the program; the process's own arguments if None.

    Returns:
        The exit code.
    """
    own_process = args is None
    args = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in args
    _write_utf8()
    stdout = sys.stdout
    with warnings.catch_warnings():
        _show_warnings(debug)
        disabled = logging.root.manager.disable
        if not debug:
            logging.disable(logging.INFO)  # Lightning's words about devices
        try:
            with interruptible():
                code = _run(args, debug)
            stdout.flush()
        except BrokenPipeError:
            _discard_output()  # the reader closed the pipe: not an error
            code = SUCCESS
        finally:
            sys.stdout = stdout
            logging.disable(disabled)
    if own_process and code in (INTERRUPTED, ENDED):
        leave(code)  # at its end Python would wait for threads that decode images
    return code


def _write_utf8() -> None:
    """Let every stream take every name: redirected output has the code page of the system on Windows, which lacks most scripts.

    Tables and JSON are UTF-8 wherever they go. A file name that is not UTF-8 on disk is written with backslashes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _run(args: list[str], debug: bool) -> int:
    try:
        code = typer.main.get_command(app).main(args, prog_name="latentlabels", standalone_mode=False)
        if code == INTERRUPTED:
            return interrupted()
        return code if isinstance(code, int) else SUCCESS
    except (KeyboardInterrupt, typer.Abort):
        return interrupted()
    except SystemExit as exit_:
        causes = _causes(exit_)
        if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
            return interrupted()  # Lightning catches Ctrl-C and exits with 1
        if any(isinstance(cause, BrokenPipeError) for cause in causes):
            raise BrokenPipeError from None
        return exit_.code if isinstance(exit_.code, int) else FAILURE
    except BrokenPipeError:
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        message, code = _describe(error, args)
        if message:
            print(f"error: {message}", file=sys.stderr)
        return code


def _describe(error: Exception, args: list[str]) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, ConfigError | LabelSpaceError | UsageError):
        return str(error), WRONG_USE
    if isinstance(error, LatentLabelsError | FloatingPointError):
        return str(error), FAILURE
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _describe_usage(error, args)  # of typer, whose classes are not public
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", FAILURE
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory; use a smaller fit.batch_size or model.image_size", FAILURE
    return f"unexpected {type(error).__name__}: {error} (run again with --debug for a traceback)", FAILURE


def _describe_usage(error: Any, args: list[str]) -> tuple[str, int]:
    message: str = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message or "", file=sys.stderr)
        return "", WRONG_USE
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "latentlabels")
    name = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and context is not None and name:
        known = [option for parameter in context.command.params for option in parameter.opts if option.startswith("-")]
        alike = [one for one in _TABLES if one in known] if name in _TABLES else []
        hint = f'; did you mean "{alike[0]}"?' if alike else nearest(name, known)
        message = f"{path} has no option {name}{hint}"
    else:
        message = message[:1].lower() + message[1:].rstrip(".")
    return f"{message} (see {path} --help)", WRONG_USE


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _show_warnings(debug: bool) -> None:
    """One line each, once. What other packages warn of is for their callers, and shown with --debug alone."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        text = " ".join(str(message).split())
        if text not in said:
            said.add(text)
            own = issubclass(category, DataWarning | AnchorWarning)
            print(f"warning: {text}" if own else f"warning: {category.__name__}: {text}", file=sys.stderr)

    warnings.showwarning = show
    warnings.simplefilter("default" if debug else "ignore")
    for category in (DataWarning, AnchorWarning):
        warnings.simplefilter("always", category)


def _discard_output() -> None:
    """Point stdout at nothing, or its flush at exit would complain of the closed pipe again."""
    with contextlib.suppress(OSError, ValueError):  # if stdout is not a file, there is nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
