"""`latentlabels convert`: known labels, or probabilities, from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, nearest
from ..words import count, listed
from . import options
from .label_options import TABLES, as_options, in_words_of_the_command_line, reads_labels
from .output import Debug, Json, Output, UsageError, existing, show_facts
from .tables import ENDINGS

if TYPE_CHECKING:
    from rich.console import Console

    from ..observed.formats import Format, Labelled
    from ..observed.options import ReadOptions
    from ..observed.record import HowRead
    from ..space import LabelSpace


@reads_labels(*(name for name in TABLES if name != "format"))  # which is --from here
def convert(
    reading: dict[str, Any],
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file or folder of labels, or a table that `predict` wrote.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    from_format: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="The format of IN. Default: recognised from the file.")
    ] = None,
    to_format: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="The format of OUT. Default: by its ending, a table.")
    ] = None,
    labels: options.Labels = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="The folder of the images. Rows without an image there are left out."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop if something would be left out.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Convert known labels, or a table of probabilities, from one format to another.

    For example: latentlabels convert instances_train2017.json known.csv --unlisted absent

    A table of probabilities, as `predict` writes it, becomes predictions that other tools import: --to label-studio,
    coco, fiftyone or open-images.
    """
    with Output(as_json) as output, in_words_of_the_command_line(TABLES):
        if not any(sign in str(source) for sign in "*?{"):  # shards may be a pattern
            existing(source, "file or folder")
        form = _target_format(target, to_format, overwrite)
        space = _space(labels)
        stated = as_options(reading, format=from_format, space=space, images_root=images, strict=strict)
        content, how = _content(source, stated, space)
        kind = "known" if content.probabilities is None else "probabilities"
        if kind not in form.WRITES:
            raise UsageError(f"--to {form.NAME}: {_cannot(form, kind)}; formats that can: {', '.join(_formats(kind))}")
        form.write(target, content)
        document = _document(source, target, form, content, how)
        output.note(f"{target}: {form.NAME}, {count(len(content.images), 'image')}, {count(content.space.num_labels, 'label')}")
        output.emit(document, lambda console: _show(console, document))


def _space(labels: Path | None) -> LabelSpace | None:
    from ..space import LabelSpace

    return None if labels is None else LabelSpace.read(labels)


def _target_format(target: Path, name: str | None, overwrite: bool) -> Format:
    """The format to write, checked before anything is read.

    Raises:
        UsageError: none is named, the file cannot be made, or it is there already.
    """
    from ..observed import formats

    ending = target.suffix.lower()
    if name is not None and name not in formats.NAMES:
        raise UsageError(f'--to: unknown format "{name}"{nearest(name, formats.NAMES)} (known: {", ".join(formats.NAMES)})')
    if name is None:
        if ending not in ENDINGS:
            known = ", ".join(dict.fromkeys([*_formats("known"), *_formats("probabilities")]))
            raise UsageError(f"{target}: its ending does not say the format; give --to FORMAT (known: {known})")
        name = "table"
    if name == "table" and ending not in ENDINGS:
        raise UsageError(f'{target}: unknown file ending "{ending}"{nearest(ending, ENDINGS)} (tables: {", ".join(ENDINGS)})')
    found = formats.find(name)
    if not found.WRITES:
        writing = ", ".join(dict.fromkeys([*_formats("known"), *_formats("probabilities")]))
        raise UsageError(f"--to {name}: {found.TITLE} is read, but not written; formats that are: {writing}")
    if target.exists() and not overwrite:
        raise UsageError(f"{target}: is there already; give another name, or --overwrite to replace it")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: folder {target.parent} not found; create it first")
    return found


def _formats(kind: str) -> list[str]:
    """The formats that can hold known labels, or probabilities."""
    from ..observed import formats

    return [name for name in formats.NAMES if kind in formats.find(name).WRITES]


def _cannot(form: Format, kind: str) -> str:
    what = "known labels, but IN holds probabilities" if kind == "probabilities" else "probabilities, but IN holds known labels"
    return f"{form.TITLE} is written from {what}"


def _content(source: Path, options: ReadOptions, space: LabelSpace | None) -> tuple[Labelled, HowRead | None]:
    """What is in a file: probabilities where a table holds numbers between 0 and 1, else known labels."""
    from ..observed import Observed, formats

    name = options.format
    if name is None:
        try:
            name = formats.recognise(source).NAME
        except DataError:
            if not source.is_dir():
                raise
    if name == "table":
        found = formats.probabilities_in(source, space)
        if found is not None:
            return found, None
    known = Observed.from_folder(source, space, strict=options.strict) if name is None else Observed.read(source, options)
    assert known.images is not None  # readers of files name them
    return formats.Labelled(known.images, known.space, known.values), known.how_read


def _document(source: Path, target: Path, form: Format, content: Labelled, how: HowRead | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "input": source,
        "output": target,
        "format": form.NAME,
        "num_images": len(content.images),
        "labels": content.space.labels,
    }
    if content.known is not None:
        values = {"present": 1, "absent": 0, "unknown": -1}
        document["known"] = {name: int((content.known == value).sum()) for name, value in values.items()}
    else:
        document["probabilities"] = 0 if content.probabilities is None else int(content.probabilities.size)
    if how is not None:
        document |= {"input_format": how.format, "reading": dict(how.facts), "notes": how.notes}
    return document


def _show(console: Console, document: dict[str, Any]) -> None:
    """How the input was read, so that a user can check it."""
    rows = [("input", f"{document['input']} ({document.get('input_format', 'a table of probabilities')})")]
    rows += list(document.get("reading", {}).items())
    if "known" in document:
        rows.append(("labels", ", ".join(f"{number:,} {name}" for name, number in document["known"].items())))
    else:
        rows.append(("labels", f"{document['probabilities']:,} probabilities"))
    rows.append(("output", f"{document['output']} ({document['format']}): {listed(document['labels'], 6)}"))
    show_facts(console, rows)
