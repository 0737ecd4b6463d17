"""From what a user hands over to batches and known labels: which rows go together, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from latentlabels.errors import DataError, DataWarning, ObservationError
from latentlabels.inputs import Inputs, Reading, Wanted, as_size, decoding, read_inputs
from latentlabels.inputs.batches import Batches, InMemory, Streamed
from latentlabels.kind import Kind
from latentlabels.observed import Observed
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), Free("striped")])
FREE = LabelSpace.free(SPACE.labels)
KNOWN = [[1, -1, -1], [-1, 1, 0], [-1, -1, 1]]
NAMES = ("a.png", "b.png", "sub/c.png")
PIXELS = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 3, 4, 4), dtype=np.uint8)
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def read(
    images: Any, observed: Any = None, space: LabelSpace | None = SPACE, truth: Any = None, **how: Any
) -> Inputs:  # fmt: skip
    how = {"on_images": True, "image_size": 4, "labelled": True, "workers": 0} | how
    size = None if how["image_size"] is None else as_size(how["image_size"])
    kind = Kind.IMAGES if how["on_images"] else Kind.EMBEDDINGS
    wanted = Wanted(kind, size, workers=how["workers"])
    return read_inputs(images, observed, truth, space=space, wanted=wanted, how=Reading(labelled=how["labelled"]))


def resolve(
    images: Any, observed: Any = None, space: LabelSpace | None = SPACE, **how: Any
) -> tuple[Batches, Any, tuple[str, ...]]:
    found = read(images, observed, space, **how)
    assert len(found) == len(found.items) == len(found.names) == len(found.rows)
    return found.items, found.observed, found.names


def refused(error: type[Exception], images: Any, observed: Any = None, space: LabelSpace | None = SPACE, **how: Any) -> str:
    with pytest.raises(error) as caught:
        read(images, observed, space, **how)
    return str(caught.value)


def levels(batches: Batches) -> list[int]:
    """The grey level of each image, by which it is known again."""
    return (batches.inputs(torch.arange(len(batches)))[:, 0, 0, 0] * 255).round().int().tolist()


def grey(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 5), (level, level, level)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of the grey levels 1, 2 and 3."""
    for level, name in enumerate(NAMES, 1):
        grey(tmp_path / "images" / name, level)
    return tmp_path / "images"


def observed(images: tuple[str, ...] | None = NAMES, space: LabelSpace = SPACE) -> Observed:
    return Observed.from_array(KNOWN, space, images=images)


# --- folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [None, SPACE])
def test_a_folder_without_observed_is_an_image_folder(tmp_path: Path, space: LabelSpace | None) -> None:
    grey(tmp_path / "red/1.png", 10)
    grey(tmp_path / "blue/1.png", 20)
    batches, table, names = resolve(str(tmp_path), space=space)
    assert isinstance(batches, InMemory)
    assert levels(batches) == [20, 10]
    assert [table.space.labels[row.argmax()] for row in table.values] == ["blue", "red"]
    assert names == (str(tmp_path / "blue/1.png"), str(tmp_path / "red/1.png"))


def test_a_folder_to_predict_is_any_folder(folder: Path) -> None:
    batches, table, names = resolve(folder, labelled=False)
    assert levels(batches) == [1, 2, 3]
    assert table is None  # nothing was said of their labels, and no table says so
    assert names == tuple(str(folder / name) for name in NAMES)


def test_a_folder_with_a_table_follows_the_table(folder: Path) -> None:
    table = observed().take([2, 0])
    with pytest.warns(DataWarning, match=r"1 image not in observed, so not used: b\.png"):
        batches, found, names = resolve(folder, table)
    assert levels(batches) == [3, 1]
    assert found.values.tolist() == [KNOWN[2], KNOWN[0]]
    assert names == (str(folder / NAMES[2]), str(folder / NAMES[0]))


def test_absolute_names_in_a_table(folder: Path, tmp_path: Path) -> None:
    elsewhere = grey(tmp_path / "elsewhere.png", 9)
    table = Observed.from_array(KNOWN[:2], SPACE, images=[str(elsewhere), "a.png"])
    with pytest.warns(DataWarning, match=r"2 images not in observed, so not used: b\.png, sub/c\.png"):
        batches, _, names = resolve(folder, table)
    assert levels(batches) == [9, 1]
    assert names == (str(elsewhere), str(folder / "a.png"))


@pytest.mark.parametrize("kind", ["array", "list", "tensor", "frame", "observed-without-names"])
def test_a_folder_with_rows_in_order_of_name(folder: Path, kind: str) -> None:
    given: Any = {
        "array": np.array(KNOWN),
        "list": KNOWN,
        "tensor": torch.tensor(KNOWN),
        "frame": pd.DataFrame(KNOWN, columns=list(SPACE.labels)).replace(-1, None),
        "observed-without-names": observed(None),
    }[kind]
    batches, table, names = resolve(folder, given)
    assert levels(batches) == [1, 2, 3]
    assert table.values.tolist() == KNOWN
    assert names == tuple(str(folder / name) for name in NAMES)


@pytest.mark.parametrize("given", [KNOWN[:2], np.array(KNOWN[:2]), Observed.from_array(KNOWN[:2], SPACE)])
def test_rows_of_another_number_than_files(folder: Path, given: Any) -> None:
    assert refused(DataError, folder, given) == "3 images, but known labels of 2; give one row for each image"
    assert refused(DataError, [folder / "a.png"], given) == "1 images, but known labels of 2; give one row for each image"


def test_a_contradiction_names_the_file(folder: Path) -> None:
    message = refused(ObservationError, folder, [[1, -1, -1], [1, 1, -1], [-1, -1, -1]])
    assert message.startswith(f'{folder}/b.png: "red" and "blue"')


# --- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple])
def test_files_keep_their_order(folder: Path, kind: type) -> None:
    files = kind([folder / NAMES[2], str(folder / NAMES[0])])
    batches, table, names = resolve(files, [KNOWN[2], KNOWN[0]])
    assert levels(batches) == [3, 1]
    assert table.values.tolist() == [KNOWN[2], KNOWN[0]]
    assert names == tuple(map(str, files))


def test_one_file_and_a_glob(folder: Path) -> None:
    batches, table, names = resolve(str(folder / "b.png"), labelled=False)
    assert levels(batches) == [2]
    assert table is None
    assert names == (str(folder / "b.png"),)
    batches, _, _ = resolve(str(folder / "*.png"), KNOWN[:2])
    assert levels(batches) == [1, 2]
    batches, table, _ = resolve(folder / "b.png", observed().take([1]))
    assert levels(batches) == [2]
    assert table.values.tolist() == [KNOWN[1]]


def test_files_in_another_order_than_the_table_are_matched_by_name(folder: Path) -> None:
    files = [folder / name for name in NAMES]
    for order in ([0, 1, 2], [0, 2, 1], [2, 0, 1]):
        for prefix in ("", "export/", f"{folder}/"):
            names = tuple(prefix + name for name in NAMES)
            batches, table, _ = resolve([files[row] for row in order], observed(names))
            assert levels(batches) == [1 + row for row in order]
            assert table.values.tolist() == [KNOWN[row] for row in order]
    table = Observed.from_array(KNOWN[:2], SPACE, images=["b", "a"])  # without the endings of the files
    assert resolve(str(folder / "*.png"), table)[1].values.tolist() == [KNOWN[1], KNOWN[0]]


@pytest.mark.parametrize("kind", ["observed", "frame", "truth"])
def test_names_that_do_not_agree_are_named(folder: Path, kind: str) -> None:
    def refuse(names: list[str]) -> str:
        if kind == "truth":
            whole = pd.DataFrame([[1, 0, 0]] * len(names), columns=[*SPACE.labels], index=names)
            return refused(DataError, files, KNOWN, truth=whole)
        frame = pd.DataFrame(KNOWN[: len(names)], columns=[*SPACE.labels], index=names)
        return refused(DataError, files, frame if kind == "frame" else Observed.from_frame(frame, SPACE))

    files, what = [folder / name for name in NAMES], "truth" if kind == "truth" else "observed"
    message = refuse(["a.png", "new.png", "sub/c.png"])
    assert message == (
        f"the names of the images and of {what} do not agree: 1 of 3 images have no row in {what} ({files[1]}); 1 rows of "
        f"{what} have no image (new.png). Rename or remove those. To match rows by position, give {what} without names, "
        "for example "
        "as an array"
    )
    assert "3 of 3 images have no row" in refuse(["z", "y", "x"])
    assert "1 of 3 images have no row" in refuse(["a.png", "b.png"])


def test_a_folder_whose_table_names_other_images(folder: Path) -> None:
    table = Observed.from_array(KNOWN, SPACE, images=["a.png", "gone.png", "b.png"])
    message = refused(DataError, folder, table)
    assert message.startswith(f"1 of the 3 images of observed are not in {folder}: gone.png; correct the names")


def test_an_order_is_seen_by_folders_where_files_are_called_alike(tmp_path: Path) -> None:
    files = [grey(tmp_path / name / "1.png", level) for level, name in enumerate(("x", "y"))]
    table = Observed.from_array(KNOWN[:2], SPACE, images=["x/1.png", "y/1.png"])
    assert resolve(files, table)[1].values.tolist() == KNOWN[:2]
    assert resolve(files[::-1], table)[1].values.tolist() == [KNOWN[1], KNOWN[0]]


@pytest.mark.parametrize("given", ["observed", "truth"])
def test_a_frame_is_read_by_columns_and_index(folder: Path, given: str) -> None:
    """Columns and rows in every order, and a column `image` in place of the index, say the same."""
    files = [folder / name for name in NAMES]
    values = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    frame = pd.DataFrame(values, columns=[*SPACE.labels], index=[*NAMES])
    rng = np.random.default_rng(0)
    for _ in range(5):
        mixed = frame.iloc[rng.permutation(3), rng.permutation(3)]
        for one in (mixed, mixed.rename_axis("image").reset_index()):
            found = read(files, one) if given == "observed" else read(files, KNOWN, truth=one)
            table = found.observed.values if given == "observed" and found.observed is not None else found.truth
            assert table is not None and table.tolist() == values.tolist()


def test_columns_of_a_frame_that_are_no_labels_and_labels_without_a_column() -> None:
    frame = pd.DataFrame(KNOWN, columns=["red", "blu", "striped"])
    message = refused(ObservationError, VECTORS, frame, on_images=False)
    assert message.startswith('column "blu" of observed is not a label; did you mean "blue"?')
    message = refused(ObservationError, VECTORS, frame[["red"]], on_images=False)
    assert message.startswith("observed has no column for 2 of 3 labels: blue, striped; add them")
    twice = pd.DataFrame(KNOWN, columns=[*SPACE.labels], index=["a", "b", "a"])
    message = refused(ObservationError, VECTORS, twice, on_images=False)
    assert message == 'observed has several rows for image "a"; keep one row for each image'


def test_a_frame_without_a_space_brings_its_labels() -> None:
    _, table, names = resolve(VECTORS, pd.DataFrame(KNOWN, columns=["x", "y", "z"], index=[*"abc"]), None, on_images=False)
    assert (table.space.labels, names) == (("x", "y", "z"), ("a", "b", "c"))


def test_frames_of_embeddings_and_labels_are_matched_by_their_index() -> None:
    for index in (["p", "q", "r"], [7, 3, 5]):  # between two frames numbers are names as well
        vectors = pd.DataFrame(VECTORS, index=index)
        known = pd.DataFrame(KNOWN, columns=[*SPACE.labels], index=index).iloc[[2, 0, 1]]
        found = read(vectors, known, on_images=False)
        assert found.observed is not None and found.observed.values.tolist() == KNOWN
        assert found.names == tuple(map(str, index))
    assert "no row" in refused(DataError, vectors, known.set_axis([1, 2, 3]), on_images=False)
    shuffled = known.reset_index(drop=True).iloc[[1, 0, 2]]  # of an array and a frame, numbers are positions
    assert resolve(VECTORS, shuffled, on_images=False)[1].values.tolist() == [KNOWN[0], KNOWN[2], KNOWN[1]]


def test_columns_of_a_frame_of_embeddings_are_names() -> None:
    wanted = Wanted(Kind.EMBEDDINGS, num_features=2, columns=("length", "width"))
    frame = pd.DataFrame(VECTORS[:, :2], columns=["length", "width"])
    once = read_inputs(frame, space=None, wanted=Wanted(Kind.EMBEDDINGS))
    assert once.columns == ("length", "width")

    def values(given: Any) -> list[list[float]]:
        found = read_inputs(given, space=None, wanted=wanted)
        rows: list[list[float]] = found.items.inputs(torch.arange(3)).tolist()
        return rows

    turned = frame[["width", "length"]]
    expected = VECTORS[:, :2].tolist()
    assert values(frame) == values(turned) == values(frame.set_axis([0, 1], axis=1)) == values(frame.to_numpy()) == expected
    assert values(read_inputs(turned, space=None, wanted=Wanted(Kind.EMBEDDINGS))) == expected  # read before
    other = frame.rename(columns={"width": "weight"})
    with pytest.raises(DataError, match="no column width and columns that the run was not fitted on: weight"):
        values(other)
    with pytest.raises(DataError, match="two columns of one name"):
        values(pd.DataFrame(np.zeros((3, 3)), columns=["width", "length", "width"]))


def test_what_is_not_there(folder: Path, tmp_path: Path) -> None:
    for labelled in (True, False):
        assert "folder not found" in refused(DataError, tmp_path / "gone", labelled=labelled)
    assert "gone: file or folder not found" in refused(DataError, tmp_path / "gone", observed())
    assert "gone.png: file or folder not found" in refused(DataError, [folder / "a.png", folder / "gone.png"])
    (tmp_path / "empty").mkdir()
    for given in (None, KNOWN):
        message = refused(DataError, tmp_path / "empty", given, labelled=False)
        assert message == f"{tmp_path}/empty: no images found; give a folder, image files or a glob"


# --- files that cannot be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", ["array", "observed", "observed-without-names", "nothing"])
def test_an_unreadable_image_takes_its_row_along(
    folder: Path, kind: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if streamed:
        monkeypatch.setattr(decoding, "MEMORY_BUDGET", 100)
    (folder / "b.png").write_text("broken")
    given = {"array": np.array(KNOWN), "observed": observed(), "observed-without-names": observed(None), "nothing": None}[kind]
    with pytest.warns(DataWarning, match=r"1 of 3 images cannot be read and are left out: .*b\.png") as caught:
        found = read(
            folder, given, labelled=False, truth=None if given is None else np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]])
        )
    batches, table, names = found.items, found.observed, found.names
    assert found.rows.tolist() == [0, 2]
    assert [image.name for image in found.left_out] == [str(folder / "b.png")]
    if found.truth is not None:  # complete labels lose the row as well
        assert found.truth.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert [one.filename for one in caught] == [__file__]
    assert isinstance(batches, Streamed if streamed else InMemory)
    assert levels(batches) == [1, 3]
    assert names == (str(folder / "a.png"), str(folder / "sub/c.png"))
    if kind == "nothing":
        assert table is None
        return
    assert table is not None and table.values.tolist() == [KNOWN[0], KNOWN[2]]
    assert table.images is None or [Path(name).name for name in table.images] == ["a.png", "c.png"]


@pytest.mark.parametrize("streamed", [False, True])
def test_nothing_that_can_be_read(folder: Path, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if streamed:
        monkeypatch.setattr(decoding, "MEMORY_BUDGET", 100)
    for name in NAMES:
        (folder / name).write_bytes(b"")
    assert refused(DataError, folder, observed()).startswith("none of 3 images can be read: ")


# --- sizes of files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size, expected", [(7, (7, 7)), ((3, 5), (3, 5)), ([3, 5], (3, 5))])
@pytest.mark.parametrize("budget", [4 << 30, 10])
def test_files_are_resized(
    folder: Path, size: Any, expected: tuple[int, int], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MEMORY_BUDGET", budget)
    batches, _, _ = resolve(folder, KNOWN, image_size=size, workers=0)
    assert batches.kind is Kind.IMAGES
    assert batches.inputs(torch.arange(3)).shape == (3, 3, *expected)


# --- arrays of images -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "images",
    [
        PIXELS,
        torch.from_numpy(PIXELS),
        PIXELS.transpose(0, 2, 3, 1),
        PIXELS.astype(np.float64) / 255,
        torch.from_numpy(PIXELS).float() / 255,
        PIXELS[::-1][::-1],
        np.broadcast_to(PIXELS, PIXELS.shape),
        (PIXELS.astype(np.float32) / 255).astype(">f4"),
    ],
    ids=["uint8", "tensor", "channels-last", "float", "float-tensor", "negative-strides", "read-only", "big-endian"],
)
def test_arrays_of_images(images: Any) -> None:
    batches, table, names = resolve(images, KNOWN)
    assert levels(batches) == [0, 1, 2]
    assert batches.inputs(torch.arange(3)).shape == (3, 3, 4, 4)
    assert batches.inputs(torch.arange(3)).max() == pytest.approx(2 / 255)
    assert table.values.tolist() == KNOWN
    assert names == ("0", "1", "2")
    assert table.images is None  # numbers that nobody gave are no names


def test_float_images_that_rounding_left_a_little_outside() -> None:
    images = np.zeros((3, 3, 4, 4), np.float32)
    images[1], images[2] = np.float32(1 + 1e-6), np.float32(-1e-6)
    for given in (images, TensorDataset(torch.from_numpy(images))):
        assert levels(read(given, KNOWN).items) == [0, 255, 0]


@pytest.mark.parametrize(
    "value, words",
    [(-0.5, "images: values from -0.5 to 0 look normalised already; leave out Normalize")]
    + [(value, "images hold NaN or infinity") for value in (float("nan"), float("inf"), -float("inf"))],
)
def test_float_images_that_are_no_pictures(value: float, words: str) -> None:
    images = np.zeros((3, 3, 4, 4))
    images[1, 2, 3, 0] = value
    assert refused(DataError, images, KNOWN).startswith(words)


@pytest.mark.parametrize("most, white", [(1.5, 3), (255, 255), (4095.5, 4095)])
def test_float_images_beyond_1_are_read_by_the_bits_in_use_and_that_is_said(most: float, white: float) -> None:
    images = np.random.default_rng(0).random((3, 3, 4, 4)) * most
    images[1, 2, 3, 0] = most
    with pytest.warns(DataWarning, match=f"floating-point values .* 0 is read as black and {white} as white.* state it"):
        found = read(images, KNOWN)
    assert found.levels is not None and found.levels.real == (0, white)
    expected = (images * 255 / white).round().clip(0, 255)
    np.testing.assert_array_equal((found.items.inputs(torch.arange(3)) * 255).round().numpy(), expected)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 4), (3, 2, 4, 5), (3,), (1, 3, 3, 4, 4)])
def test_arrays_that_are_no_images(shape: tuple[int, ...]) -> None:
    message = refused(DataError, np.zeros(shape), [[-1] * 3] * shape[0])
    assert message.startswith(f"images must be an array (N, 3, H, W) or (N, H, W, 3), not of shape {shape}")
    assert ("images[None]" in message) == (shape == (3, 4, 4))


@pytest.mark.parametrize("images", [np.zeros((0, 3, 4, 4)), np.zeros((0, 3, 4, 4), np.uint8), torch.zeros(0, 3, 4, 4)])
def test_no_images(images: Any) -> None:
    assert refused(DataError, images, np.zeros((0, 3))) == "no images: the array has shape (0, 3, 4, 4)"


@pytest.mark.parametrize(
    "images, kind", [(None, "NoneType"), ({"a": 1}, "dict"), (np.array(["a"]), "ndarray of <U1"), ([object()], "list")]
)
@pytest.mark.parametrize("on_images", [True, False])
def test_what_is_no_input_at_all(images: Any, kind: str, on_images: bool) -> None:
    message = refused(DataError, images, KNOWN, on_images=on_images)
    assert message == f"inputs must be a folder, image files, a Dataset or an array of numbers, not {kind}"


def test_rows_of_different_lengths() -> None:
    assert "rows of different lengths" in refused(DataError, [[1.0, 2.0], [1.0]], on_images=False)


# --- Datasets ---------------------------------------------------------------------------------------------------


def test_a_dataset() -> None:
    batches, table, names = resolve(TensorDataset(torch.from_numpy(PIXELS)), observed(), workers=2)
    assert isinstance(batches, Streamed)
    assert batches.workers == 2
    assert levels(batches) == [0, 1, 2]
    assert table.values.tolist() == KNOWN
    assert names == NAMES
    message = refused(DataError, TensorDataset(torch.zeros(5, 3, 4, 4)), observed())
    assert message == "5 images, but known labels of 3; give one row for each image"


def test_datasets_without_length_or_numbers() -> None:
    class Stream(IterableDataset[Any]):
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Iterator[Any]:
            return iter(PIXELS)

    class Endless(Dataset[Any]):
        def __getitem__(self, row: int) -> Any:
            return PIXELS[0]

    for dataset in (Stream(), Endless()):
        assert "this Dataset of images lacks __len__ or __getitem__" in refused(DataError, dataset, KNOWN)


# --- embeddings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vectors",
    [
        VECTORS,
        VECTORS.tolist(),
        torch.from_numpy(VECTORS),
        VECTORS.astype(np.float16),
        VECTORS.astype(int),
        pd.DataFrame(VECTORS),
    ],
    ids=["array", "list", "tensor", "float16", "int", "frame"],
)
def test_embeddings(vectors: Any) -> None:
    batches, table, names = resolve(vectors, KNOWN, on_images=False)
    assert batches.kind is Kind.EMBEDDINGS
    assert batches.inputs(torch.arange(3)).tolist() == VECTORS.tolist()
    assert batches.inputs(torch.arange(3)).dtype == torch.float32
    assert table.values.tolist() == KNOWN
    assert names == ("0", "1", "2")


def test_a_memory_mapped_file_is_read_without_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", VECTORS)
    batches, _, _ = resolve(np.load(tmp_path / "e.npy", mmap_mode="r"), KNOWN, on_images=False)
    assert batches.inputs(torch.arange(3)).tolist() == VECTORS.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_embeddings_that_are_not_finite(value: float, kind: Any) -> None:
    vectors = np.zeros((20, 2))
    vectors[3:10, 1] = value
    message = refused(DataError, kind(vectors), on_images=False)
    assert message.startswith("7 of 20 embeddings hold NaN or infinity (rows 3, 4, 5, 6, 7 and 2 more); leave those images out")


def test_inputs_of_the_wrong_kind_for_the_encoder(folder: Path) -> None:
    assert "takes embeddings (N, D), not an array of shape (3, 3, 4, 4)" in refused(DataError, PIXELS, KNOWN, on_images=False)
    for images in (folder, str(folder), [folder / "a.png"]):
        assert "(N, D), not image files" in refused(DataError, images, KNOWN, on_images=False)
    dataset = TensorDataset(torch.from_numpy(VECTORS))
    assert "(N, D), not a Dataset of images" in refused(DataError, dataset, KNOWN, on_images=False)


@pytest.mark.parametrize("given", [KNOWN[:2], Observed.from_array(KNOWN[:2], SPACE), torch.tensor(KNOWN[:2])])
def test_rows_of_another_number_than_embeddings(given: Any) -> None:
    message = refused(DataError, np.zeros((3, 2)), given, on_images=False)
    assert message == "3 images, but known labels of 2; give one row for each image"


# --- known labels and the space ---------------------------------------------------------------------------------


def test_names_are_those_of_the_table() -> None:
    _, table, names = resolve(VECTORS, observed(), on_images=False)
    assert names == NAMES
    assert table.images == NAMES


def test_nothing_known(folder: Path) -> None:
    for images, how in ((VECTORS, {"on_images": False}), (PIXELS, {}), ([folder / name for name in NAMES], {})):
        assert resolve(images, None, **how)[1] is None


def test_labels_without_names() -> None:
    assert "observed is an array, so its labels have no names" in refused(DataError, VECTORS, KNOWN, None, on_images=False)


def test_a_table_without_a_space_brings_its_own() -> None:
    _, table, _ = resolve(VECTORS, observed(), None, on_images=False)
    assert table.space is SPACE


def test_a_table_of_other_labels() -> None:
    other = Observed.from_array(KNOWN, LabelSpace.free(["blue", "green", "striped"]))
    message = refused(ObservationError, VECTORS, other, on_images=False)
    assert message == (
        "the observed table has the labels blue, green, striped, but the label space has red, blue, striped; read the table "
        "with this space"
    )


def test_a_table_of_the_same_labels_in_another_order_is_read_by_name() -> None:
    other = Observed.from_array([[row[1], row[0], row[2]] for row in KNOWN], LabelSpace.free(["blue", "red", "striped"]))
    _, table, _ = resolve(VECTORS, other, on_images=False)
    assert table.values.tolist() == KNOWN
    assert table.space == SPACE


def test_a_table_of_the_same_labels_in_other_groups_is_checked_again() -> None:
    _, table, _ = resolve(VECTORS, observed(space=FREE), on_images=False)
    assert table.space == SPACE
    assert table.values.tolist() == KNOWN
    both = Observed.from_array([[1, 1, -1], *KNOWN[1:]], FREE, images=NAMES)
    message = refused(ObservationError, VECTORS, both, on_images=False)
    assert message.startswith('a.png: "red" and "blue" exclude each other (group "colour")')


@pytest.mark.parametrize("given", [np.zeros((3, 2), int), np.zeros(3, int), np.array(0), [[1, 0]] * 3])
def test_known_labels_of_another_shape(given: Any) -> None:
    assert "3 labels; give (N, 3), one column for each label" in refused(ObservationError, VECTORS, given, on_images=False)
