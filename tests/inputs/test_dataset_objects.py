"""Dataset objects whose items are pairs or dictionaries; a stand-in for Hugging Face's class, and the class where it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from packed_files import class_label, hugging_face, pictures, png
from PIL import Image
from torch.utils.data import Dataset, Subset

from latentlabels.errors import AmbiguousError, DataError
from latentlabels.inputs import Inputs, Reading, Wanted, read_inputs
from latentlabels.kind import Kind
from latentlabels.observed import Observed
from latentlabels.observed.options import ReadOptions
from latentlabels.observed.packed.hugging_face import contents_of_dataset
from latentlabels.space import LabelSpace

WANTED = Wanted(Kind.IMAGES, size=(8, 8))
LEVELS = (40, 90, 140, 190)
STATED = Reading(labelled=True, folder=ReadOptions(unlisted="unknown"))


class Pairs(Dataset[Any]):
    """Items as a user's Dataset gives them."""

    def __init__(self, targets: Sequence[Any], form: str = "pair", classes: Sequence[str] | None = None):
        self.own, self.form = targets, form
        if classes is not None:
            self.classes = list(classes)

    def __len__(self) -> int:
        return len(self.own)

    def __getitem__(self, row: int) -> Any:
        image = torch.full((3, 8, 8), LEVELS[row], dtype=torch.uint8)
        if self.form == "dict":
            return {"image": image, "label": self.own[row], "index": row}
        return image if self.form == "image" else (image, self.own[row])


class Stored(Pairs):
    """As torchvision's: the targets stand in an attribute, so no image has to be decoded for them."""

    def __init__(self, targets: Sequence[Any], classes: Sequence[str]):
        super().__init__(targets, classes=classes)
        self.targets = list(targets)
        self.read: list[int] = []

    def __getitem__(self, row: int) -> Any:
        self.read.append(row)
        return super().__getitem__(row)


def read(dataset: object, space: LabelSpace | None = None, how: Reading = STATED, observed: object = None) -> Inputs:
    return read_inputs(dataset, observed, space=space, wanted=WANTED, how=how)  # type: ignore[arg-type]


def known(found: Inputs) -> NDArray[np.int8]:
    assert found.observed is not None
    return found.observed.values


def seen(found: Inputs) -> list[int]:
    return [round(float(value) * 255) for value in found.items.inputs(torch.arange(len(found))).mean((1, 2, 3))]


@pytest.mark.parametrize("form", ["pair", "dict"])
@pytest.mark.parametrize("wrap", [int, np.int64, torch.tensor])
def test_class_numbers_are_named_by_the_classes(form: str, wrap: Any):
    found = read(Pairs([wrap(one) for one in (1, 0, 1, 2)], form, ["cat", "dog", "bus"]))
    assert found.observed is not None and found.observed.space.labels == ("cat", "dog", "bus")
    assert known(found).tolist() == [[-1, 1, -1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    assert seen(found) == list(LEVELS) and not found.named and found.observed.images is None


def test_class_numbers_without_names_are_asked_about():
    with pytest.raises(AmbiguousError, match=r"class numbers \(0, 1, 2\).*Observed\.from_dataset.*classes="):
        read(Pairs([1, 0, 1, 2]))
    dataset = Pairs([1, 0, 1, 2])
    table = Observed.from_dataset(dataset, unlisted="absent", classes=["cat", "dog", "bus"])
    assert known(read(dataset, observed=table)).tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_what_unlisted_labels_mean_is_asked_about():
    with pytest.raises(AmbiguousError, match=r'lists only labels that are present.*from_dataset.*unlisted="absent"'):
        read(Pairs([1, 0, 1, 1], classes=["cat", "dog"]), how=Reading(labelled=True))


@pytest.mark.parametrize("wrap", [np.array, torch.tensor, lambda one: torch.tensor(one, dtype=torch.float32)])
def test_vectors_are_columns_of_the_space(wrap: Any):
    values = [[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 1]]
    space = LabelSpace.free(["cat", "dog", "bus"])
    assert known(read(Pairs([wrap(one) for one in values]), space)).tolist() == values
    with pytest.raises(AmbiguousError, match="vectors of 3 numbers, but nothing says which labels"):
        read(Pairs([wrap(one) for one in values]))


def test_lists_of_numbers_and_of_names():
    assert known(read(Pairs([[0, 1], [], [1], [0]], classes=["cat", "dog"]))).tolist() == [[1, 1], [-1, -1], [-1, 1], [1, -1]]
    found = read(Pairs([["cat", "a,b"], [], ["cat"], ["null"]]))
    assert found.observed is not None and {*found.observed.space.labels} == {"cat", "a,b", "null"}
    assert found.observed.num_known.tolist() == [2, 0, 1, 1]
    detection = Pairs([{"boxes": torch.zeros(2, 4), "labels": torch.tensor([1, 1])}] * 4, classes=["none", "dog"])
    assert known(read(detection))[0].tolist() == [-1, 1]


def test_stored_targets_are_read_without_decoding_images():
    dataset = Stored([1, 0, 1, 0], ["cat", "dog"])
    assert Observed.from_dataset(dataset, unlisted="unknown").values.tolist() == [[-1, 1], [1, -1], [-1, 1], [1, -1]]
    assert Observed.from_dataset(Subset(dataset, [3, 2]), unlisted="unknown").values.tolist() == [[1, -1], [-1, 1]]
    assert dataset.read == []


def test_looking_changes_no_random_numbers():
    class Drawn(Pairs):
        def __getitem__(self, row: int) -> Any:
            return torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8), self.own[row]

    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    read(Drawn([0, 1, 0, 1], classes=["cat", "dog"]))
    assert torch.equal(torch.rand(4), expected)


def test_images_alone_have_no_labels_and_other_targets_are_refused():
    assert read(Pairs([None] * 4, "image")).observed is None
    with pytest.raises(DataError, match="item 0 of the Dataset holds no labels"):
        Observed.from_dataset(Pairs([None] * 4, "image"))
    with pytest.raises(DataError, match="are of type float; expected class numbers"):
        read(Pairs([0.5, 1.5, 2.0, 1.0]))
    with pytest.raises(ValueError, match="class 5, but there are 2 classes"):
        read(Pairs([0, 5, 1, 0], classes=["cat", "dog"]))


# --- Hugging Face -------------------------------------------------------------------------------------------------------


class FakeFeatures(dict[str, Any]):
    """What `datasets.Features` gives: the schema with its metadata."""

    def __init__(self, table: Any):
        super().__init__(dict.fromkeys(table.schema.names))
        self.arrow_schema = table.schema


class FakeDataset:
    """The part of `datasets.Dataset` that is used."""

    def __init__(self, table: Any):
        self.table, self.features = table, FakeFeatures(table)

    def __len__(self) -> int:
        return len(self.table)

    def select_columns(self, names: list[str]) -> FakeDataset:
        return FakeDataset(self.table.select(names))

    def with_format(self, form: str) -> FakeDataset:
        assert form == "arrow"
        return self

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int):
            return self.table.slice(rows, 1)
        start, end, _ = rows.indices(len(self))
        return self.table.slice(start, end - start)


FakeDataset.__module__ = "datasets.arrow_dataset"
FEATURES = {"image": {"_type": "Image"}, "label": class_label(["cat", "dog"])}


def fake(names: Sequence[str | None], labels: Sequence[int] = (1, 0, 1, -1)) -> FakeDataset:
    return FakeDataset(hugging_face({"image": pictures(names, LEVELS), "label": list(labels)}, FEATURES))


def test_a_hugging_face_dataset_gives_images_names_and_labels():
    found = read(fake(["a.png", "b.png", "c.png", "d.png"]))
    assert found.names == ("a.png", "b.png", "c.png", "d.png") and found.named and seen(found) == list(LEVELS)
    assert found.observed is not None and found.observed.space.labels == ("cat", "dog")
    assert known(found).tolist() == [[-1, 1], [1, -1], [-1, 1], [-1, -1]]


def test_a_hugging_face_dataset_without_names_is_matched_by_position():
    found = read(fake([None] * 4))
    assert found.names == ("0", "1", "2", "3") and not found.named
    space = LabelSpace.free(["x"])
    array = read(fake([None] * 4), space, observed=[[1], [0], [1], [-1]])
    assert known(array).tolist() == [[1], [0], [1], [-1]]
    with pytest.raises(DataError, match='"a.png" is in 0 and in 1'):
        contents_of_dataset(fake(["a.png", "a.png", "b.png", "c.png"]))


def test_its_labels_are_asked_about_like_others():
    with pytest.raises(AmbiguousError, match="lists only labels that are present"):
        read(fake([None] * 4), how=Reading(labelled=True))
    table = Observed.from_dataset(fake([None] * 4, (1, 0, 1, 0)), unlisted="absent")
    assert table.images is None and table.values.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]


def test_several_splits_and_streams_are_refused():
    class Splits(dict[str, Any]):
        pass

    class Stream:
        features = None

        def __iter__(self) -> Any:
            return iter(())

    Splits.__module__, Stream.__module__ = "datasets.dataset_dict", "datasets.iterable_dataset"
    with pytest.raises(DataError, match=r'holds the splits train, test; give one of them, dataset\["train"\]'):
        read(Splits(train=fake(["a"] * 4), test=None))
    with pytest.raises(DataError, match="is read as a stream"):
        read(Stream())
    with pytest.raises(DataError, match='encoder "embedding" takes an array'):
        read_inputs(fake([None] * 4), space=None, wanted=Wanted(Kind.EMBEDDINGS))  # type: ignore[arg-type]


def test_the_library_itself_agrees(tmp_path: Path):
    """Real objects, in memory and from disk, shuffled and selected: the same images and labels as the library decodes."""
    datasets = pytest.importorskip("datasets")
    if not hasattr(datasets, "load_from_disk"):
        pytest.skip("the library is not installed; what is found is the folder of tests of that name")
    for row, level in enumerate(LEVELS):
        (tmp_path / f"{row}.png").write_bytes(png(level))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    files = [str(tmp_path / f"{row}.png") for row in range(4)]
    made = datasets.Dataset.from_dict({"image": files, "label": [1, 0, 1, 0]}, features=features)
    made.save_to_disk(str(tmp_path / "saved"))
    for dataset in (made, datasets.load_from_disk(str(tmp_path / "saved")), made.select([2, 0, 3]), made.shuffle(seed=1)):
        found = read(dataset)
        assert seen(found) == [np.asarray(item["image"].convert("RGB")).mean().round() for item in dataset]
        assert known(found).argmax(1).tolist() == dataset["label"]
    assert isinstance(made[0]["image"], Image.Image)
