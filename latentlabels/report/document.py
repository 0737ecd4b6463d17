"""`report.html` in a run folder: what a fit found, in one file that needs no network.

The verdict stands first: how good the fit is beside a prediction that never looks at an image, and the weakest labels. Then
come what to do, the worst errors and figures on completely labelled images (`evaluation.json`, `evaluation.npz`), known labels
that may be wrong, the data, predictions on the training images (`findings.npz`), training, and details. The report says what a
run folder lacks. Templates escape whatever a user named; pictures are part of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..estimator import LatentLabels
from ..show.blocks import Section
from ..show.pages import page
from ..writing import write_text
from . import confusion, errors, evaluated, fitted, labels, mistakes, overview
from .contents import gather
from .prediction_summary import find
from .stored_predictions import FITTED

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.given import Images


def write_report(
    run_dir: str | Path, model: LatentLabels | None = None, images: Images | None = None, observed: Labels | None = None
) -> Path:
    """Write ``report.html`` into a run folder, replacing an earlier one.

    From Python: ``m.save(run)``, then ``write_report(run, m, images, observed)``, so that the report shows images as well.

    Args:
        run_dir: what `LatentLabels.save` wrote, or what an interrupted fit left. `findings.npz` and `evaluation.npz` (see
            `StoredPredictions`) and `evaluation.json` (`Metrics.to_dict()`) are shown if the folder has them. One that cannot
            be read is a warning in the report.
        model: the fitted estimator of the folder, to predict labels of images first; the predictions are kept in the folder.
        images: to predict, as for `LatentLabels.fit`; needs `model`.
        observed: known labels (N, K) of these images, as for `fit`.

    Returns:
        The path of the report.

    Raises:
        RunError: no run folder, or a damaged one.
        DataError: images without a model, no images, or a table of another number of rows.
        NotFittedError: a model before `fit`.
    """
    if images is not None:
        if model is None:
            raise DataError("images, but no model to predict them with; call write_report(run, model, images, observed)")
        find(model, images, observed).write(Path(run_dir) / FITTED)
    contents = gather(Path(run_dir))
    sections = [
        Section("Weak labels", labels.weak(contents)),
        Section("What to do", overview.advice(contents)),
        Section("Worst errors", errors.worst(contents)),
        Section("Possible mistakes", mistakes.possible(contents)),
        Section("Evaluation against complete labels", evaluated.evaluation(contents)),
        Section("Confusion within a group", confusion.groups(contents)),
        Section("All labels", labels.every_label(contents)),
        Section("Known labels", fitted.known(contents)),
        Section("How labels are named", labels.learned(contents)),
        Section(fitted.whose(contents), fitted.together(contents)),
        Section("Examples", fitted.examples(contents)),
        Section("Where labels are", fitted.places(contents)),
        Section("Images by label", fitted.sheet(contents)),
        Section("Training", fitted.training(contents)),
        Section("Label space", labels.space(contents)),
        Section("Details", labels.details(contents)),
    ]
    top = [*overview.verdict(contents), *overview.warned(contents), *overview.answer(contents)]
    path = contents.folder / "report.html"
    write_text(path, page(contents.folder.resolve().name, top, sections, script=True))
    return path
