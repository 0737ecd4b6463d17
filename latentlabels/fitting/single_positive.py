"""The published setting of single positive labels: of complete labels, one present label of each training image is kept.

E. Cole, O. Mac Aodha, T. Lorieul, P. Perona, D. Morris, N. Jojic (2021), Multi-label learning from single positive labels,
CVPR. There
the label is drawn uniformly from the present ones of an image, once, and everything else is unknown. Images without a
present label
have nothing to draw: the lists of COCO and VOC there hold no such images, and here they are left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..datasets.hiding import hide
from ..errors import ObservationError
from ..inputs import Inputs
from ..observed import Observed
from ..observed.image_files import warn
from ..words import count


def single_positive(inputs: Inputs, seed: int) -> Inputs:
    """The same images with one known label each, drawn by the seed; the complete labels are the truth, which oracles read.

    Args:
        inputs: N images whose labels are all known.
        seed: of the draws.

    Raises:
        ObservationError: labels that are unknown, or no image with a present label.
    """
    table = inputs.observed
    assert table is not None  # the training data of a config have labels
    unknown = len(table) * table.space.num_labels - int(table.num_known.sum())
    if unknown:
        row = int((table.num_known < table.space.num_labels).argmax())
        label = table.space.labels[int((table.known.rows([row])[0] == -1).argmax())]
        raise ObservationError(
            f'data.single_positive: {inputs.names[row]}: label "{label}" is unknown '
            f"({count(unknown, 'such entry', 'such entries')}), but "
            "the label to keep is drawn from complete labels; say what they mean (data.unlisted: absent, or data.absent), "
            "or leave "
            "out data.single_positive"
        )
    rows = np.flatnonzero(table.known.num_present)
    if not len(rows):
        raise ObservationError("data.single_positive: no image has a present label, so there is none to keep; check the table")
    if len(rows) < len(table):
        warn(
            f"data.single_positive: {count(len(table) - len(rows), 'image')} of {len(table):,} without a present label left "
            "out, because "
            "there is no label to keep"
        )
    kept = inputs.take(rows)
    assert kept.observed is not None
    truth = kept.observed.values
    hidden = hide(truth, "uniform", table.space, seed).observed
    how_read = kept.observed.how_read
    if how_read is not None:
        fact = ("known labels", f"one present label of each image, drawn by data.single_positive: {seed}")
        how_read = replace(how_read, facts=(*how_read.facts, fact))
    known = Observed(hidden, table.space, kept.observed.images, how_read, kept.observed.extra)
    return kept.labelled(known, truth)
