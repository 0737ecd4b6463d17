"""`latentlabels cache`: what is kept of features, and how it is cleared."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import nearest
from ..words import count
from .help_text import Commands
from .output import Debug, Json, Output, UsageError, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..features.listing import Listing, Stored

cache = Commands(
    name="cache", help="Show or clear the image features that are kept on disk.", no_args_is_help=True, rich_markup_mode="rich"
)

Where = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="DIR", help="The folder of the cache. Default: that of LATENTLABELS_CACHE, or the system's."
    ),
]


@cache.command("list")
def show(where: Where = None, as_json: Json = False, debug: Debug = False) -> None:
    """List what is kept: encoder, size, images, bytes, and when it was last used.

    For example: latentlabels cache list
    """
    with Output(as_json) as output:
        found = _listing(where)
        document = {
            "cache": found.root,
            "bytes": found.bytes,
            "features": [
                {
                    "key": one.key,
                    "encoder": one.encoder,
                    "size": list(one.size),
                    "images": one.images,
                    "bytes": one.bytes,
                    "last_used": _time(one.used),
                }
                for one in found.stores
            ],
        }
        output.emit(document, lambda console: _show(console, found))


@cache.command("clear")
def clear(
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="One of the keys that `cache list` shows.")] = None,
    days: Annotated[
        float | None, typer.Option("--older", metavar="DAYS", min=0, help="Remove what was not used for this many days.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove everything.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    where: Where = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove kept features; they are computed again when they are needed.

    For example: latentlabels cache clear --older 90
    """
    with Output(as_json) as output:
        from ..features.listing import clear as remove

        found = _listing(where)
        chosen = _chosen(found, key, days, everything)
        freed = 0
        if chosen or (everything and found.others):
            _ask(found, chosen, yes, output)
            freed = remove(found, chosen, everything)
        document = {"cache": found.root, "removed": [one.key for one in chosen], "bytes": freed}
        what = f"{count(len(chosen), 'set')} of features removed, {_bytes(freed)} freed"
        output.emit(document, lambda console: console.print(what if freed else "nothing to remove"))


def _listing(where: Path | None) -> Listing:
    from ..features import cache_folder
    from ..features.listing import list_cache

    root = cache_folder(where)
    if root is None:
        raise UsageError('the cache is turned off (LATENTLABELS_CACHE is "none"); give --cache DIR')
    return list_cache(root)


def _chosen(found: Listing, key: str | None, days: float | None, everything: bool) -> tuple[Stored, ...]:
    """What is to be removed.

    Raises:
        UsageError: not one of the three was said, or a key that is not there.
    """
    from ..features.listing import older

    if (key is not None) + (days is not None) + everything != 1:
        raise UsageError("say what to remove: a KEY of `latentlabels cache list`, --older DAYS, or --all")
    if days is not None:
        return older(found, days)
    if everything:
        return found.stores
    named = [one for one in found.stores if one.key == key]
    if not named:
        keys = [one.key for one in found.stores]
        raise UsageError(f'no features with the key "{key}" in {found.root}{nearest(str(key), keys)}')
    return tuple(named)


def _ask(found: Listing, chosen: tuple[Stored, ...], yes: bool, output: Output) -> None:
    """Ask whether to remove it.

    Raises:
        UsageError: nobody can be asked.
        Abort: the answer is no.
    """
    if yes:
        return
    size = _bytes(sum(one.bytes for one in chosen))
    question = f"remove {count(len(chosen), 'set')} of features ({size}) from {found.root}?"
    if output.as_json or not sys.stdin.isatty():
        raise UsageError(f"{question} Add --yes to say so")
    typer.confirm(question, abort=True, err=True)


def _show(console: Console, found: Listing) -> None:
    if not found.stores and not found.others:
        console.print(f"{found.root}: nothing is kept there")
        return
    columns = ("key", "encoder", "pixels", "images", "size", "last used")
    rows = [
        (
            one.key,
            one.encoder,
            f"{one.size[0]} x {one.size[1]}",
            "another version" if one.images is None else f"{one.images:,}",
            _bytes(one.bytes),
            _time(one.used),
        )
        for one in found.stores
    ]
    console.print(table(columns, rows, numeric=("images", "size")))
    features = _bytes(sum(one.bytes for one in found.stores))
    console.print(f"\n{found.root}: {_bytes(found.bytes)}, including features of {features}")


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "bytes" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError
