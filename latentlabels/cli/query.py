"""`latentlabels query`: the posterior of one image, given its known labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import LabelSpaceError, ObservationError
from ..words import percent, shown
from .output import Debug, Json, Output, RunFolder, UsageError, bar, show_facts, table
from .sources import load_run, one_vector, read_asked

if TYPE_CHECKING:
    from rich.console import Console

    from ..checks import GroupMovement
    from ..estimator import LatentLabels
    from ..inputs import Inputs
    from ..posterior import Posterior


def query(
    run: RunFolder,
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="An image. For a run on embeddings, FILE#ROW, where ROW is a number from 0 or the name of an image.",
        ),
    ],
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--given", metavar="LABEL", help="A label that is present, or the name of a group's empty outcome. May be repeated."
        ),
    ] = None,
    absent: Annotated[
        list[str] | None, typer.Option("--not", metavar="LABEL", help="A label that is absent. May be repeated.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="How many labels to list, most probable first.")] = 15,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the probability of each label of one image, given the labels that you know.

    For example: latentlabels query runs/photos photo.jpg --given car --not striped

    It shows the most probable labels, which probabilities the given labels changed, and which they did not change and why.
    It also shows the most probable set of labels, and how many labels the image has.
    """
    with Output(as_json) as output:
        model = load_run(run)
        inputs = _one(model, image)
        before = model.posterior(inputs)
        present, excluded = list(dict.fromkeys(given or ())), list(dict.fromkeys(absent or ()))
        after = _conditioned(before, present, excluded) if present or excluded else before
        moves = _movements(before, after, present, excluded) if present or excluded else ()
        document = _document(inputs.names[0], before, after, present, excluded, None if as_json else top)
        document |= {
            "moved": [one.to_dict() | {"labels": [asdict(label) for label in one.moved]} for one in moves if one.moved],
            "unmoved": [one.to_dict() for one in moves if not one.moved],
        }
        output.emit(document, lambda console: _show(console, document, moves, output))


def _one(model: LatentLabels, image: str) -> Inputs:
    from ..kind import Kind

    if model.kind is Kind.EMBEDDINGS:
        return one_vector(model, image)
    if Path(image).is_dir():
        raise UsageError(f"{image}: is a folder, but query takes one image; for a folder use `latentlabels predict`")
    inputs = read_asked(model, [image])
    if len(inputs) > 1:
        raise UsageError(f"{image}: names {len(inputs):,} images, but query takes one; for several use `latentlabels predict`")
    return inputs


def _conditioned(posterior: Posterior, present: Sequence[str], absent: Sequence[str]) -> Posterior:
    space = posterior.space
    for option, names in (("--given", present), ("--not", absent)):
        for name in names:
            try:
                space.stated(name) if option == "--given" else space.index(name)
            except LabelSpaceError as error:
                raise UsageError(f"{option} {name}: {error}") from None
    both = [name for name in present if name in absent]
    if both:
        raise UsageError(f'"{both[0]}" is given as present (--given) and as absent (--not); remove one of the two')
    try:
        return posterior.given(present, absent)
    except ObservationError as error:
        raise UsageError(f"{error}") from None


def _movements(before: Posterior, after: Posterior, present: Sequence[str], absent: Sequence[str]) -> tuple[GroupMovement, ...]:
    """What the given labels moved, and what not."""
    from ..checks import movements, shared_by

    space = before.space
    stated = dict.fromkeys(absent, 0)
    for name in present:
        columns, value = space.stated(name)
        stated |= dict.fromkeys((space.labels[column] for column in columns), value)
    shared = shared_by(before.distribution, after.distribution)
    return movements(space, before.marginals[0].tolist(), after.marginals[0].tolist(), {}, stated, shared)


def _document(
    name: str, before: Posterior, after: Posterior, present: list[str], absent: list[str], top: int | None
) -> dict[str, Any]:
    import numpy as np

    space = after.space
    old, new = before.marginals[0], after.marginals[0]
    order = [int(k) for k in np.argsort(-new, kind="stable")]
    best = after.mode()
    counts = after.count_probs()[0]
    rows = [
        {
            "label": space.labels[k],
            "group": space.group_of(space.labels[k]).name,
            "probability": float(new[k]),
            "probability_before": float(old[k]),
        }
        for k in order[:top]
    ]
    return {
        "image": name,
        "given": present,
        "not": absent,
        "labels": rows,
        "groups": {group: float(share[0]) for group, share in after.group_probs().items()},
        "most_probable_set": {
            "labels": [label for label, here in zip(space.labels, best[0], strict=True) if here],
            "probability": float(np.exp(after.log_prob(best)[0])),
        },
        "num_labels": {"expected": float(counts @ np.arange(len(counts))), "probabilities": counts.tolist()},
    }


def _show(console: Console, found: dict[str, Any], moves: Sequence[GroupMovement], output: Output) -> None:
    from ..checks import unmoved_sentences

    known = found["given"] or found["not"]
    if known:
        stated = [*found["given"], *(f"not {label}" for label in found["not"])]
        console.print(f"{shown(found['image'])}, given {', '.join(map(shown, stated))}\n")
    else:
        console.print(f"{shown(found['image'])}\n")
    columns = ["label", "group", "probability", *(["before", "change"] if known else []), ""]
    rows = [
        [
            row["label"],
            "" if row["group"] == row["label"] else row["group"],
            percent(row["probability"]),
            *([percent(row["probability_before"]), _change(row)] if known else []),
            bar(row["probability"], file=output.stdout),
        ]
        for row in found["labels"]
    ]
    console.print(table(columns, rows, numeric=("probability", "before", "change")))
    best = found["most_probable_set"]
    console.print()
    numbers = [
        f"{number}: {percent(share, 0)}" for number, share in enumerate(found["num_labels"]["probabilities"]) if share >= 0.01
    ]
    show_facts(
        console,
        [
            ("most probable set", f"{', '.join(map(shown, best['labels'])) or 'no label'} ({percent(best['probability'])})"),
            ("number of labels", f"{found['num_labels']['expected']:.2f} expected; {', '.join(numbers)}"),
        ],
    )
    if known:
        console.print()
    for sentence in unmoved_sentences(moves):
        console.print(sentence)


def _change(row: dict[str, Any]) -> str:
    """How far a label moved, in percentage points; empty where it did not."""
    from ..checks.movement import SEEN

    change = row["probability"] - row["probability_before"]
    if abs(change) < SEEN:
        return ""
    size = f"{abs(change):.0%}".removesuffix("%") if abs(change) >= 0.01 else "<1"
    return f"{'up' if change > 0 else 'down'} {size}"
