"""`latentlabels export`: a run as graphs that other programs run, with a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError
from ..progress import Phase, Plan, following, phase
from .output import Debug, Json, Output, RunFolder, UsageError, show_facts
from .sources import load_run

if TYPE_CHECKING:
    from rich.console import Console

    from ..export import Exported

_PLAN = Plan({Phase.EVALUATION: 20.0})


def export(
    run: RunFolder,
    to_format: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="onnx (.onnx), openvino (.xml) or torch-export (.pt2). Default: by FILE's ending.",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The file to write. The second graph and the card are written beside it."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a run as two graphs for other programs, with a model card.

    For example: latentlabels export runs/photos --to onnx -o photos.onnx

    photos.onnx maps images (N, 3, H, W) in [0, 1], or embeddings (N, D), to label probabilities. photos.known.onnx takes
    known labels (1, 0, -1) as a second input. photos.onnx.md and photos.onnx.json are the model card. Each graph is compared
    with the run before it is written.
    """
    with Output(as_json) as output:
        if output_file is None:
            raise UsageError("no file to write; name it with -o FILE, for example -o model.onnx")
        model = load_run(run)
        from ..export import FORMATS, export_model

        endings = {form.ending: name for name, form in FORMATS.items()}
        name = to_format or endings.get(output_file.suffix.lower())
        if name is None:
            known = ", ".join(f"{form} ({ending})" for ending, form in endings.items())
            raise UsageError(f"{output_file}: its ending does not say the format; give --to FORMAT (known: {known})")
        with following(_PLAN), phase(Phase.EVALUATION, "writing the graphs, and comparing them with the run"):
            done = export_model(model, output_file, name, evaluation=_evaluation(run), overwrite=overwrite)
        document = _document(run, name, done)
        if document["poor"] is not None:
            output.note(f"warning: poor fit. {document['poor']}")
        output.emit(document, lambda console: _show(console, document))


def _evaluation(run: Path) -> dict[str, Any]:
    """What `evaluate` has measured of a run; nothing where it was never asked.

    Raises:
        DataError: its file is damaged.
    """
    path = run / "evaluation.json"
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no figures")
    except ValueError as error:
        raise DataError(f"{path}: cannot be read ({error}); run `latentlabels evaluate` again, or remove the file") from None
    return found


def _document(run: Path, name: str, done: Exported) -> dict[str, Any]:
    card = json.loads(done.facts.read_text(encoding="utf-8"))
    return {
        "run": run,
        "format": name,
        "labels": done.labels,
        "labels_given_known": done.known,
        "card": done.card,
        "facts": done.facts,
        "largest_difference": dict(done.differences),
        "poor": None if card["poor"] is None else card["poor"]["text"],
    }


def _show(console: Console, document: dict[str, Any]) -> None:
    off = max(document["largest_difference"].values())
    rows = [
        ("p(label | image)", str(document["labels"])),
        ("p(label | image, known)", str(document["labels_given_known"])),
        ("model card", f"{document['card']}, {document['facts']}"),
        ("largest difference", f"{off:.1e} in a probability, from the run's own"),
    ]
    show_facts(console, rows)
