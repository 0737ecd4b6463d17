"""`latentlabels demo`: toy scenes, fitted and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..words import NONE, count, number, percent_of, quoted
from .output import Debug, Json, Output, show_verdict, table

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("how unknown labels are treated", "mAP", "calibration error", "F1 at 0.5", "which groups apply", "NLL")


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or the folder of an earlier demo.")] = Path(
        "demo"
    ),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Render toy scenes, fit on one known label per image, and compare with the usual alternatives.

    The demo takes a few minutes on a CPU and needs no network. It writes a run folder, a report and a picture.
    """
    with Output(as_json) as output:
        from ..bench.toy_demo import run_demo

        result = run_demo(out, log=output.note)
        document = {**result, "report": str(Path(result["run"]) / "report.html")}
        output.emit(document, lambda console: _show(console, document))


def _show(console: Console, result: dict[str, Any]) -> None:
    size, shares = result["num_images"], ("map", "calibration_error", "f1", "group_accuracy")
    rows = [
        [row["what"], *(_share(row[key], size) for key in shares), number(row["nll"], 2)]
        for row in result["rows"]
    ]  # fmt: skip
    console.print()
    console.print(table(_COLUMNS, rows, numeric=_COLUMNS[1:]))
    console.print(f"\nMeasured on {count(size, 'test scene')}. NLL: negative log-likelihood of all labels of a scene, in nats.")
    console.print("Lower is better for NLL and calibration error, higher for the rest.")
    show_verdict(console, result["verdict"])
    console.print(f"\n{'report':<9}{result['report']}\n{'picture':<9}{result['picture']}\n{'run':<9}{result['run']}")
    scenes = Path(result["scenes"])
    run, folder, labels = (quoted(path) for path in (result["run"], scenes / "images-by-label", scenes / "labels.yaml"))
    console.print(f"\nnext: latentlabels predict {run} {folder} -o probabilities.csv")
    console.print(f"      latentlabels inspect {folder} --labels {labels}")


def _share(value: float | None, size: int) -> str:
    return NONE if value is None else percent_of(value / 100, size)
