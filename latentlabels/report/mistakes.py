"""Possible mistakes among the known labels: what `latentlabels mistakes` found, or else what the fit finds improbable."""

from __future__ import annotations

from pathlib import Path, PurePath

import numpy as np

from ..errors import DataError
from ..inputs import Inputs
from ..kind import Kind
from ..review import Mistakes, PossibleMistake, write_mistakes
from ..review.storing import COLUMNS, StoredMistakes, read_stored, table_rows
from ..show.blocks import Bar, Block, Cell, Details, Notice, Photo, Photos, Row, Span, Table, Text, plain_table
from ..show.pixels import embedded, thumbnail
from ..words import count, number, percent
from . import fitted
from .contents import Contents

_PICTURES, _SIDE = 24, 128
_ROWS = 300  # of the table in the report
_TITLE = "Possible mistakes"


def keep(run: str | Path, found: Mistakes, inputs: Inputs) -> Path:
    """Keep possible mistakes in a run folder, with small pictures of the first images.

    Args:
        run: the folder.
        found: what was found.
        inputs: the images that it was found in.
    """
    if inputs.kind is Kind.EMBEDDINGS:
        return write_mistakes(run, found)
    place = {int(row): number for number, row in enumerate(inputs.rows)}
    shown = [thumbnail(np.asarray(inputs.picture(place[one.row])), _SIDE) for one in found.rows[:_PICTURES]]
    pictures = np.stack(shown).transpose(0, 3, 1, 2) if shown else None
    return write_mistakes(run, found, pictures)


def possible(contents: Contents) -> list[Block]:
    """The section of the report."""
    try:
        stored = read_stored(contents.folder) if contents.run.weights else None
    except DataError as error:
        return [Notice(_TITLE, [str(error)])]
    return _in_sample(contents) if stored is None else _out_of_sample(stored)


def _in_sample(contents: Contents) -> list[Block]:
    """Labels that a fit finds improbable in images that it was trained on."""
    blocks = fitted.suspects(contents)
    if not blocks:
        return []
    command = Span("latentlabels mistakes RUN", "code")
    own = contents.fitted is None or not str(contents.fitted.source)
    text = (
        "These labels were judged by a fit that was trained on them, and a fit remembers some of its mistakes. To have each "
        "one judged by a fit that has not seen its image, with the number of mistakes to expect, run "
    )
    return [*blocks, Text([text, command, "."])] if own else blocks


def _out_of_sample(stored: StoredMistakes) -> list[Block]:
    found = stored.mistakes
    if not found.num_known:
        return [Text("No label was known.")]
    blocks: list[Block] = [Text(summary(found)), Text(_meaning(found))]
    cards = [
        _card(one, stored.pictures[place] if place < len(stored.pictures) else None)
        for place, one in enumerate(found.rows[: _PICTURES if len(stored.pictures) else 0])
    ]
    if cards:
        blocks.append(Photos(cards, "photocards"))
    rows = [tuple(cells) for cells in table_rows(found.rows[:_ROWS])]
    head = [column.replace("_", " ") for column in COLUMNS]
    table = plain_table(head, [_readable(one) for one in rows], [3, 5])
    more = len(found.rows) - len(rows)
    name = "The same as a table" if cards else "The labels that are most probably wrong"
    if rows:
        blocks.append(Details(name, [table]) if cards else table)
    if more > 0:
        blocks.append(
            Text([f"{count(more, 'more label')} in the table that ", Span("latentlabels mistakes", "code"), " wrote."])
        )
    return blocks


def summary(found: Mistakes) -> str:
    """How many labels are wrong, in a sentence or two."""
    judged = count(found.num_judged, "known label")
    if not found.can_tell:
        text = (
            f"The fits cannot tell which of {judged} are wrong, nor how many: they predict the labels of an image no better "
            "from the image itself than from others. Look at how good the fit is first, or give more images."
        )
    else:
        bounds = f"at most {found.high:,}" if not found.low else f"{found.low:,} to {found.high:,}"
        text = (
            f"By these fits, about {number(found.expected, 0)} of {judged} are wrong ({bounds}, with a probability of about "
            "95 %). This counts labels that were named at random; one label taken for another that looks like it is listed, "
            "but hardly counted. A label that is hard to see looks like a wrong one: look at the first ones before you trust "
            "the number."
        )
    left = found.num_known - found.num_judged
    if left:
        text += f" {count(left, 'known label')} could not be judged: no image in another part shows the same label."
    return text


def _meaning(found: Mistakes) -> str:
    return (
        f"The images were in {found.folds} parts{_often(found.repeats)}, and each part was judged by a fit to the others. The "
        "probability that a label is wrong takes into account what else the image may show, and how known labels were "
        "chosen. Look at the first ones first."
    )


def _often(repeats: int) -> str:
    return f", in {repeats} different ways" if repeats > 1 else ""


def _readable(cells: tuple[str, ...]) -> list[str]:
    image, label, known, wrong, instead, probability = cells
    return [image, label, known, percent(float(wrong)), instead, percent(float(probability)) if probability else ""]


def _card(one: PossibleMistake, picture: np.ndarray | None) -> Photo:
    stated = one.label if one.value else f"not {one.label}"
    right = 1 - one.probability
    rival = (f"not {one.label}" if one.instead is None else one.instead), one.instead_probability
    rows = [
        [Cell(f"{stated} (known)", bar=Bar([(right, "orange")])), Cell(percent(right), "num")],
        [Cell(rival[0], bar=Bar([(rival[1], "blue")])), Cell(percent(rival[1]), "num")],
    ]
    alt = f"known: {stated}; probably wrong: {percent(one.probability)}"
    shown = None if picture is None else embedded(picture, alt)
    name = f"image {one.image}" if one.image.isdigit() else "/".join(PurePath(one.image).parts[-2:])
    frame = "wrong" if one.probability >= 0.5 else "known" if one.value else "absent"
    return Photo(shown, name, f"probably wrong: {percent(one.probability)}", frame, Table([], [Row(cells) for cells in rows]))
