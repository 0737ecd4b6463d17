"""`latentlabels demo`: toy scenes, fitted and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import Debug, Json, Output, table

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("what is done with unknown labels", "mAP", "calibration error", "F1 at 0.5", "which groups apply", "NLL")


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or that of an earlier demo.")] = Path("demo"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Render toy scenes, fit them on one known label per image, and compare with what is usually tried.

    Takes a few minutes on a CPU, and needs no network. Writes a run folder, a report and a picture.
    """
    with Output(as_json) as output:
        from ..bench.demo import run_demo

        result = run_demo(out, log=output.note)
        document = {**result, "report": str(Path(result["run"]) / "report.html")}
        output.emit(document, lambda console: _show(console, document))


def _show(console: Console, result: dict[str, Any]) -> None:
    rows = [
        [
            row["what"],
            _figure(row["map"], " %"),
            _figure(row["calibration_error"], " %"),
            _figure(row["f1"], " %"),
            _figure(row["group_accuracy"], " %"),
            _figure(row["nll"], "", 2),
        ]
        for row in result["rows"]
    ]
    console.print()
    console.print(table(_COLUMNS, rows, numeric=_COLUMNS[1:]))
    console.print("\nNLL: negative log-likelihood of all labels of an image. Of it and the calibration error, less is better.")
    console.print(f"\n{'report':<9}{result['report']}\n{'picture':<9}{result['picture']}\n{'run':<9}{result['run']}")
    scenes = Path(result["scenes"])
    console.print(f"\nnext: latentlabels predict {result['run']} {scenes / 'images-by-label'} -o probabilities.csv")
    console.print(f"      latentlabels inspect {scenes / 'images-by-label'} --labels {scenes / 'labels.yaml'}")


def _figure(value: float | None, unit: str, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"
