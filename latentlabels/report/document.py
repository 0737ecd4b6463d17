"""`report.html` in a run folder: what a fit found, in one file that needs no network.

The answer stands first: how many labels per image are predicted and were expected, which epoch was kept, what to worry about
and what to do. Then come training, what was known, what the fit makes of its images (`findings.npz`), how it does on
completely labelled ones (`evaluation.json`, `evaluation.npz`), and every label in a table. What a run folder lacks is said.
What a user named is escaped; pictures are part of the file; the one script sorts tables, and without it nothing is missing.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..estimator import LatentLabels
from . import evaluated, fitted, labels, summary
from .contents import gather
from .findings import FITTED, find
from .layout import page, section

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.door import Images


def write_report(
    run_dir: str | Path, model: LatentLabels | None = None, images: Images | None = None, observed: Labels | None = None
) -> Path:
    """Write ``report.html`` into a run folder, replacing an earlier one.

    From Python: ``m.save(run)``, then ``write_report(run, m, images, observed)``, so that the report shows images as well.

    Args:
        run_dir: what `LatentLabels.save` wrote, or what an interrupted fit left. `findings.npz` and `evaluation.npz` (see
            `findings.find`) and `evaluation.json` (`Metrics.to_dict()`) are shown if the folder has them. One that cannot be
            read is a warning in the report.
        model: the estimator that the folder is of, to look at images first; what is found is kept in the folder.
        images: to look at, as for `findings.find`; needs `model`.
        observed: what is known of them.

    Returns:
        The path of the report.

    Raises:
        RunError: no run folder, or a damaged one.
        DataError: images without a model, or as `findings.find`.
    """
    if images is not None:
        if model is None:
            raise DataError("images, but no model to look at them with; give write_report(run, model, images, observed)")
        find(model, images, observed).write(Path(run_dir) / FITTED)
    made = gather(Path(run_dir))
    name = made.folder.resolve().name
    parts = [
        f"<h1>{escape(name)}</h1>",
        summary.answer(made),
        summary.warned(made),
        section("What to do", summary.todo(made)),
        section("Training", fitted.training(made)),
        section("What was known", fitted.known(made)),
        section("What the fit makes of its images", fitted.together(made)),
        section("Examples", fitted.examples(made)),
        section("Images by label", fitted.sheet(made)),
        section("Known labels that may be mistakes", fitted.surprises(made)),
        section("Evaluation against complete labels", evaluated.evaluation(made)),
        section("All labels", labels.every_label(made)),
        section("Label space", labels.space(made)),
        section("Details", labels.details(made)),
    ]
    path = made.folder / "report.html"
    path.write_text(page(name, "\n".join(part for part in parts if part), script=True), encoding="utf-8")
    return path
