"""`Inputs` that come through the door a second time: for another model, perhaps, or with other labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import DataError
from ..space import LabelSpace
from ..words import count, listed
from .alignment import as_observed, as_truth, column_order, in_rows_of
from .batches import Batches, InMemory, Streamed
from .decoding import check_features, features_of_array, features_of_dataset, from_array, from_files
from .feature_source import Featured, FeatureSource
from .given import Reading
from .inputs import Inputs, Resized, Wanted
from .rgb import Size

if TYPE_CHECKING:
    from .alignment import Labels


def read_again(
    inputs: Inputs, observed: Labels | None, truth: Labels | None, space: LabelSpace | None, wanted: Wanted
) -> Inputs:  # fmt: skip
    """What has been read before, for this model; arguments are those of `read_inputs`.

    Raises:
        DataError: inputs of another kind or size, or images that have to be read again and are not there any more.
    """
    if inputs.kind is not wanted.kind:
        raise DataError(f"the inputs are {inputs.kind}, but this encoder takes {wanted.kind}")
    if inputs.num_features is not None:
        check_features(inputs.num_features, wanted)
    names = inputs.names if inputs.named else None
    table = inputs.observed
    if observed is not None:
        table = in_rows_of(names, as_observed(observed, space, inputs.names), len(inputs), "observed")
    elif table is not None and space is not None:
        table = table.in_space(space)
    complete = inputs.truth
    if truth is not None:
        known = space if table is None else table.space
        if known is None:
            raise DataError("truth is given, but the labels have no names; give LatentLabels(space, ...), or an Observed")
        complete = in_rows_of(names, as_truth(truth, known, inputs.names), len(inputs), "truth").values
    anew = replace(inputs, rows=np.arange(len(inputs)), given=len(inputs))
    out = anew.labelled(table, complete).in_columns(wanted.columns, column_order(inputs.columns, wanted.columns))
    if wanted.features is not None or out.encoded_by is not None:
        return _as_wanted(out, wanted)
    return out if wanted.size is None else out.at_size(wanted.size, wanted.format.interpolation)


def _as_wanted(inputs: Inputs, wanted: Wanted) -> Inputs:
    """Images as a model takes them, where they, or what it takes, are the features of an encoder.

    Features of another encoder are of no use to it: the pictures are read again.
    """
    size, source = wanted.size or inputs.size, wanted.features
    assert size is not None  # of images, there is one
    if source is not None and isinstance(inputs.items, Featured):
        source.adopt(size, inputs.items.kept.learnt)
    if source is not None and inputs.encoded_by == source.at(size).kept.key:
        return inputs
    if inputs.encoded_by is None:
        assert source is not None
        items = inputs.at_size(size, wanted.format.interpolation).items
        return replace(inputs, items=_features_of(items, size, source), size=size, shapes=None, features=source)
    pictures = inputs.pictures
    assert pictures is not None  # of images, there are
    if isinstance(pictures, np.ndarray):
        found = from_array(torch.from_numpy(pictures), replace(wanted, size=size, levels=None), Reading())
    elif isinstance(pictures, Dataset):
        at_size = Resized(pictures, size, wanted.format.interpolation)
        streamed = Streamed(at_size, wanted.workers, wanted.augment)
        items = streamed if source is None else features_of_dataset(at_size, size, source)
        return replace(inputs, items=items, size=size, features=source)
    else:
        found = from_files(pictures, replace(wanted, size=size, levels=inputs.levels), Reading(unreadable="rows"))
    if found.left_out:
        raise DataError(
            f"this encoder needs the images again, but {count(len(found.left_out), 'image')} cannot be read any more: "
            f"{listed([image.why for image in found.left_out], 3)}; restore them, or read the inputs again without them"
        )
    return replace(inputs, items=found.items, size=size, shapes=found.shapes, features=source)


def _features_of(items: Batches, size: Size, source: FeatureSource) -> Featured:
    """The features of pixels that were read before."""
    if isinstance(items, InMemory):
        return features_of_array(items.values.numpy(), size, "bilinear", source)
    assert isinstance(items, Streamed)
    return features_of_dataset(items.pictures, size, source)
