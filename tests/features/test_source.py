"""Images read as features are what their pixels give, and nothing is computed or decoded that was before."""

from __future__ import annotations

import os
import pickle
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from packed_files import encoded_png, write_tar
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from written import write_png

import latentlabels as ll
from latentlabels.errors import DataError, DataWarning
from latentlabels.features import EncoderFeatures
from latentlabels.inputs import Inputs, PixelFormat, Reading, Wanted, open_stream, read_inputs
from latentlabels.inputs import content as content_of
from latentlabels.inputs.feature_source import Featured
from latentlabels.inputs.images import decode_images
from latentlabels.kind import Kind

SIZE = (16, 16)


class Grid(nn.Module):
    """Pictures as their means over a grid."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * nn.functional.adaptive_avg_pool2d(images, 4).flatten(1)


def source(root: Path | None, factor: float = 1.0) -> EncoderFeatures:
    return EncoderFeatures("grid", lambda size: Grid(factor), PixelFormat(SIZE), "torch", root)


def wanted(root: Path | None, **more: Any) -> Wanted:
    return Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=source(root), **more)


def expected(pixels: NDArray[np.uint8], factor: float = 1.0) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = Grid(factor)(torch.from_numpy(pixels).float() / 255).numpy()
    return found


def features_of(inputs: Inputs) -> NDArray[np.float32]:
    assert isinstance(inputs.items, Featured)
    return inputs.items.inputs(torch.arange(len(inputs))).numpy()


def computed(asked: Wanted) -> int:
    assert asked.features is not None
    return asked.features.at(SIZE).computed


def assert_close(found: NDArray[np.float32], right: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)


def write(folder: Path, number: int, first: int = 0) -> list[Path]:
    """Pictures of noise, in several formats and sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for row in range(first, first + number):
        rng = np.random.default_rng(row)
        height, width = 20 + row % 7, 24 + row % 5
        small = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)  # which JPEG keeps
        image = Image.fromarray(small).resize((width, height))
        files.append(folder / f"{row:03d}.{('png', 'jpg', 'bmp')[row % 3]}")
        image.save(files[-1])
    return files


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written just now count as old."""
    monkeypatch.setattr(content_of, "_RACY", -(10**18))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often files are read and decoded."""
    from latentlabels.inputs import reading_features

    found = {"read_content": 0, "read_picture": 0}
    for name in found:
        original = getattr(reading_features, name)

        def counted(*args: Any, _name: str = name, _original: Any = original) -> Any:
            found[_name] += 1
            return _original(*args)

        monkeypatch.setattr(reading_features, name, counted)
    return found


# --- files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False])
def test_files_as_features_are_what_their_pixels_give(tmp_path: Path, kept: bool) -> None:
    files = write(tmp_path / "images", 40)
    root = tmp_path / "cache" if kept else None
    inputs = read_inputs(files, space=None, wanted=wanted(root))
    assert_close(features_of(inputs), expected(decode_images(files, SIZE).pixels))
    assert (inputs.kind, inputs.size, len(inputs), inputs.num_features) == (Kind.IMAGES, SIZE, 40, None)
    with Image.open(files[3]) as image:
        assert inputs.picture(3).size == image.size


def test_features_are_the_same_with_and_without_a_cache_and_the_second_time(tmp_path: Path) -> None:
    files = write(tmp_path / "images", 20)
    found = [features_of(read_inputs(files, space=None, wanted=wanted(root))) for root in (None, *2 * [tmp_path / "cache"])]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[1], found[2])


def test_what_was_read_before_is_neither_read_nor_decoded(tmp_path: Path, trusting: None, counts: dict[str, int]) -> None:
    files, how = write(tmp_path / "images", 30), Reading(recognise=True)
    first = read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"), how=how)
    assert counts == {"read_content": 30, "read_picture": 30}
    again = wanted(tmp_path / "cache")
    second = read_inputs(files, space=None, wanted=again, how=how)
    assert counts == {"read_content": 30, "read_picture": 30}
    assert computed(again) == 0
    np.testing.assert_array_equal(features_of(second), features_of(first))
    assert first.copies is not None and second.copies is not None
    for one, other in zip(first.copies, second.copies, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.levels, first.notes, first.names) == (second.levels, second.notes, second.names)


def test_a_changed_image_is_computed_alone(tmp_path: Path, trusting: None, counts: dict[str, int]) -> None:
    files = write(tmp_path / "images", 12)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    shutil.copy(write(tmp_path / "others", 1, first=99)[0], files[6])
    again = wanted(tmp_path / "cache")
    inputs = read_inputs(files, space=None, wanted=again)
    assert (computed(again), counts["read_content"], counts["read_picture"]) == (1, 13, 13)
    assert_close(features_of(inputs), expected(decode_images(files, SIZE).pixels))


def test_what_was_moved_or_touched_is_read_but_not_decoded(tmp_path: Path, trusting: None, counts: dict[str, int]) -> None:
    files = write(tmp_path / "images", 6)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    os.utime(files[0], (1, 1))
    files[1] = files[1].rename(tmp_path / "images" / "moved.png")
    again = wanted(tmp_path / "cache")
    inputs = read_inputs(files, space=None, wanted=again)
    assert (computed(again), counts["read_content"], counts["read_picture"]) == (0, 8, 6)
    assert_close(features_of(inputs), expected(decode_images(files, SIZE).pixels))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of the last change of a file's status")
def test_a_change_that_hides_behind_the_old_time_and_size_is_noticed(tmp_path: Path, trusting: None) -> None:
    files = [path for row in range(3) for path in [tmp_path / f"{row}.bmp"]]
    for row, file in enumerate(files):
        Image.fromarray(np.full((8, 8, 3), 60 * row, np.uint8)).save(file)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    before = files[1].stat()
    time.sleep(0.05)
    files[1].write_bytes(files[2].read_bytes())
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (files[1].stat().st_mtime_ns, files[1].stat().st_size) == (before.st_mtime_ns, before.st_size)
    inputs = read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    assert_close(features_of(inputs), expected(decode_images(files, SIZE).pixels))


def test_a_file_that_was_written_just_now_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change could bear the same time; two seconds later none can."""
    (file,) = write(tmp_path, 1)
    assert content_of.read_content(file).stamp is None
    later = time.time_ns() + 3 * 10**9
    monkeypatch.setattr(content_of.time, "time_ns", lambda: later)
    assert content_of.read_content(file).stamp == content_of.stamp_of(file)
    os.utime(file, ns=(later + 10**9, later + 10**9))  # its clock is ahead of ours
    assert content_of.read_content(file).stamp is None


def test_equal_files_are_computed_once_where_they_stand_in_different_blocks(tmp_path: Path, monkeypatch: Any) -> None:
    from latentlabels.inputs import reading_features

    monkeypatch.setattr(reading_features, "_MOST", 4)
    files = write(tmp_path / "images", 8)
    copies = [Path(shutil.copy(file, tmp_path / f"copy-{file.name}")) for file in files]
    asked = wanted(tmp_path / "cache")
    inputs = read_inputs([*files, *copies], space=None, wanted=asked)
    assert 8 <= computed(asked) <= 12  # while one block is computed, the next has been looked up
    np.testing.assert_array_equal(features_of(inputs)[:8], features_of(inputs)[8:])


@pytest.mark.parametrize("mode", ["warn", "collect", "rows", "error"])
def test_files_that_cannot_be_read_are_left_out_as_without_features(tmp_path: Path, mode: Any) -> None:
    files = write(tmp_path / "images", 6)
    files[2].write_bytes(b"no picture")
    files[4].write_bytes(files[4].read_bytes()[:60])
    files.append(tmp_path / "gone.png")
    found, messages = [], []
    for features in (source(tmp_path / "cache"), None, source(tmp_path / "cache")):
        asked = Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=features)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                inputs = read_inputs(files, space=None, wanted=asked, how=Reading(unreadable=mode))
                found.append((inputs.left_out, inputs.rows.tolist(), inputs.names))
            except DataError as error:
                messages.append(str(error))
        messages += [str(one.message) for one in caught]
    assert len(found) + len(messages) >= 3
    assert len({str(one) for one in found}) <= 1
    assert len({*messages}) <= 1


def test_packed_images(tmp_path: Path, counts: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)
    tar = write_tar(tmp_path / "images.tar", {f"{row}.png": encoded_png(one) for row, one in enumerate(pictures)})
    for times in (1, 2):
        inputs = read_inputs(tar, space=None, wanted=wanted(tmp_path / "cache"))
        assert_close(features_of(inputs), expected(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))))
        assert counts == {"read_content": 5 * times, "read_picture": 5}


def test_packed_images_that_were_read_before_are_read_again(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)
    tar = write_tar(tmp_path / "images.tar", {f"{row}.png": encoded_png(one) for row, one in enumerate(pictures)})
    given = read_inputs(tar, space=None, wanted=wanted(tmp_path / "cache")).take([4, 1])
    other = Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=source(tmp_path / "cache", 5))
    right = expected(np.ascontiguousarray(pictures[[4, 1]].transpose(0, 3, 1, 2)), 5)
    assert_close(features_of(read_inputs(given, space=None, wanted=other)), right)


def test_prints_are_made_up_for_without_the_network(tmp_path: Path, trusting: None, counts: dict[str, int]) -> None:
    files = write(tmp_path / "images", 9)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    again = wanted(tmp_path / "cache")
    inputs = read_inputs(files, space=None, wanted=again, how=Reading(recognise=True))
    assert (computed(again), counts["read_picture"]) == (0, 18)
    right = read_inputs(files, space=None, wanted=Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE)), how=Reading(recognise=True))
    assert inputs.copies is not None and right.copies is not None
    np.testing.assert_array_equal(inputs.copies.same, right.copies.same)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"), how=Reading(recognise=True))
    assert counts["read_picture"] == 18
    read_inputs(files, space=None, wanted=Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=source(tmp_path / "cache", 2)))
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"), how=Reading(recognise=True))
    assert counts["read_picture"] == 27  # prints outlive another encoder that did not ask for them


def test_encoders_weights_and_sizes_have_features_of_their_own(tmp_path: Path) -> None:
    files = write(tmp_path / "images", 4)
    right = expected(decode_images(files, SIZE).pixels)
    for factor in (1.0, 3.0, 1.0):
        asked = Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=source(tmp_path / "cache", factor))
        assert_close(features_of(read_inputs(files, space=None, wanted=asked)), factor * right)
    other = Wanted(Kind.IMAGES, (8, 24), PixelFormat(SIZE), features=source(tmp_path / "cache"))
    found = features_of(read_inputs(files, space=None, wanted=other))
    assert_close(found, expected(decode_images(files, (8, 24)).pixels))
    assert len([*(tmp_path / "cache" / "encoders").iterdir()]) == 3


# --- black and white ----------------------------------------------------------------------------------------------------


def deep(folder: Path, *tops: int) -> list[Path]:
    """Pictures with 16 bits, whose largest values are given; 0 for one with 8 bits."""
    folder.mkdir(exist_ok=True)
    files = []
    for row, top in enumerate(tops):
        ramp = np.linspace(0, top or 255, 400).reshape(20, 20, 1)
        path = folder / f"{row}-{top}.png"
        if top:
            write_png(path, ramp.astype(np.uint16))
        else:
            Image.fromarray(ramp[..., 0].astype(np.uint8)).save(path)
        files.append(path)
    return files


@pytest.mark.filterwarnings("ignore::latentlabels.errors.DataWarning")  # of what comes out black or white
@pytest.mark.parametrize("white", [None, 4095.0, 200.0])
@pytest.mark.parametrize("tops", [(1000, 0, 4000), (0, 0), (900, 1000)])
def test_pictures_with_more_bits_have_the_levels_of_the_data_set(tmp_path: Path, tops: Any, white: Any) -> None:
    files = deep(tmp_path / "images", *tops)
    right = decode_images(files, SIZE, white=white)
    for _ in range(2):
        inputs = read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"), how=Reading(white=white))
        assert inputs.levels == right.levels and inputs.notes == right.notes
        assert_close(features_of(inputs), expected(right.pixels))
    known = wanted(tmp_path / "cache", levels=right.levels)
    assert_close(features_of(read_inputs(files[:1], space=None, wanted=known)), expected(right.pixels[:1]))
    assert computed(known) == 0


@pytest.mark.filterwarnings("ignore::latentlabels.errors.DataWarning")
def test_other_levels_are_other_features_of_pictures_with_more_bits_alone(tmp_path: Path) -> None:
    files = deep(tmp_path / "images", 1000, 0, 900)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    brighter = [*files, *deep(tmp_path / "more", 60000)]
    asked = wanted(tmp_path / "cache")
    inputs = read_inputs(brighter, space=None, wanted=asked)
    assert computed(asked) == 3
    assert_close(features_of(inputs), expected(decode_images(brighter, SIZE).pixels))


# --- arrays and Datasets ----------------------------------------------------------------------------------------------------


def pictures(number: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (number, 3, 16, 16), dtype=np.uint8)


def test_arrays(tmp_path: Path) -> None:
    given = pictures(300)
    for times in range(2):
        asked = wanted(tmp_path / "cache")
        inputs = read_inputs(given, space=None, wanted=asked)
        assert_close(features_of(inputs), expected(given))
        assert computed(asked) == (0 if times else 300)
    assert inputs.picture(7).size == (16, 16)
    own = Wanted(Kind.IMAGES, None, PixelFormat(SIZE), features=source(tmp_path / "cache"))
    assert read_inputs(pictures(2)[..., :8], space=None, wanted=own).size == (16, 8)


class Drawn(Dataset[Any]):
    """Pictures with noise that is drawn whenever one is read."""

    def __init__(self, number: int, noise: int = 0):
        self.pictures, self.noise, self.read = pictures(number), noise, 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> Tensor:
        self.read += 1
        drawn = torch.randint(0, self.noise + 1, (3, 16, 16), dtype=torch.uint8)
        return torch.from_numpy(self.pictures[row]) // 2 + drawn


@pytest.mark.parametrize("noise", [0, 9])
def test_datasets_are_drawn_once_by_a_fixed_seed(tmp_path: Path, noise: int) -> None:
    found = []
    for times in range(2):
        torch.manual_seed(times)
        asked, given = wanted(tmp_path / "cache"), Drawn(30, noise)
        state = torch.get_rng_state()
        inputs = read_inputs(given, space=None, wanted=asked)
        assert torch.equal(torch.get_rng_state(), state)
        assert computed(asked) == (0 if times else 30)
        found.append(features_of(inputs))
        assert given.read <= 30 + 2 * 4
    np.testing.assert_array_equal(*found)
    assert_close(found[0], expected(pictures(30) // 2)) if not noise else None


# --- streams, and inputs that were read before ------------------------------------------------------------------------


def test_streams_read_features_block_by_block(tmp_path: Path) -> None:
    files = write(tmp_path / "images", 50)
    files[3].write_bytes(b"")
    asked = wanted(tmp_path / "cache")
    stream = open_stream(tmp_path / "images", None, asked, num_labels=2)
    stream.size = 8
    blocks = [block.inputs for block in stream.blocks()]
    assert [len(block) for block in blocks] == [7, 8, 8, 8, 8, 8, 2]
    right = decode_images(files, SIZE).pixels
    assert_close(np.concatenate([features_of(block) for block in blocks]), expected(right))
    assert [*blocks[0].rows] == [0, 1, 2, 4, 5, 6, 7]


def test_inputs_that_were_read_before_are_read_again_for_another_encoder(tmp_path: Path) -> None:
    files = write(tmp_path / "images", 8)
    given = read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    same = read_inputs(given, space=None, wanted=wanted(tmp_path / "cache"))
    assert same.items is given.items
    other = Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=source(tmp_path / "cache", 5))
    right = decode_images(files, SIZE).pixels
    assert_close(features_of(read_inputs(given, space=None, wanted=other)), expected(right, 5))
    plain = Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE))
    pixels = read_inputs(given.take([5, 2]), space=None, wanted=plain)
    assert pixels.encoded_by is None
    np.testing.assert_allclose(pixels.items.inputs(torch.arange(2)).numpy(), right[[5, 2]] / np.float32(255))
    back = read_inputs(pixels, space=None, wanted=wanted(tmp_path / "cache"))
    assert_close(features_of(back), expected(right[[5, 2]]))
    files[2].unlink()
    with pytest.raises(DataError, match=r"needs the images again, but 1 image cannot be read any more: .*002\.bmp"):
        read_inputs(given, space=None, wanted=plain)
    assert len(read_inputs(given, space=None, wanted=wanted(tmp_path / "cache"))) == 8


@pytest.mark.parametrize("kind", ["array", "dataset"])
def test_arrays_and_datasets_that_were_read_before(tmp_path: Path, kind: str) -> None:
    given = read_inputs(pictures(6) if kind == "array" else Drawn(6), space=None, wanted=wanted(tmp_path / "cache"))
    right = pictures(6) if kind == "array" else pictures(6) // 2
    other = Wanted(Kind.IMAGES, (8, 8), PixelFormat(SIZE), features=source(tmp_path / "cache", 5))
    found = read_inputs(given, space=None, wanted=other)
    assert found.size == (8, 8)
    assert features_of(found).shape == (6, 48)
    plain = read_inputs(given, space=None, wanted=Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE)))
    np.testing.assert_allclose(plain.items.inputs(torch.arange(6)).numpy(), right / np.float32(255))
    assert_close(features_of(read_inputs(plain, space=None, wanted=other)), features_of(found))


def test_inputs_with_features_are_pickled(tmp_path: Path) -> None:
    asked = Wanted(Kind.IMAGES, SIZE, PixelFormat(SIZE), features=EncoderFeatures("grid", _grid, PixelFormat(SIZE), "torch"))
    given = read_inputs(pictures(4), space=None, wanted=asked)
    again = pickle.loads(pickle.dumps(given))
    np.testing.assert_array_equal(features_of(again), features_of(given))


def _grid(size: Any) -> nn.Module:
    return Grid()


# --- what is said -------------------------------------------------------------------------------------------------------------


def test_pillow_is_silent_and_this_package_is_not(tmp_path: Path) -> None:
    files = write(tmp_path / "images", 6)
    Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P").save(files[0], transparency=b"\x01\x02")  # Pillow warns of it
    (tmp_path / "cache").write_text("a file")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inputs = read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    assert len(inputs) == 6
    assert [one.category for one in caught] == [DataWarning], [str(one.message) for one in caught]
    assert "features cannot be kept there" in str(caught[0].message)


def test_a_damaged_memory_of_images_is_made_again(tmp_path: Path, trusting: None, counts: dict[str, int]) -> None:
    files = write(tmp_path / "images", 5)
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    (tmp_path / "cache" / "images.sqlite").write_bytes(b"no database" * 500)
    again = wanted(tmp_path / "cache")
    with pytest.warns(DataWarning, match=r"images\.sqlite: it is damaged"):
        inputs = read_inputs(files, space=None, wanted=again)
    assert_close(features_of(inputs), expected(decode_images(files, SIZE).pixels))
    assert computed(again) == 0
    read_inputs(files, space=None, wanted=wanted(tmp_path / "cache"))
    assert counts["read_content"] == 10


def test_facts_survive_the_way_to_the_disk(tmp_path: Path) -> None:
    from latentlabels.features.contents import pack, unpack
    from latentlabels.inputs.copies import fingerprint
    from latentlabels.inputs.feature_source import Facts
    from latentlabels.inputs.image_file import read_picture
    from latentlabels.inputs.looks import look_at

    files = [*write(tmp_path / "images", 3), *deep(tmp_path / "deep", 1000, 60000)]
    for file in files:
        picture, pages = read_picture(file, SIZE)
        for found in (fingerprint(picture), None):
            facts = Facts((7, 9), look_at(picture, pages), found)
            back = unpack(pack(facts))
            assert back is not None
            assert (back.shape, back.look.span, back.look.ends, back.look.pages) == (
                *(facts.shape, facts.look.span, facts.look.ends, facts.look.pages),
            )
            np.testing.assert_array_equal(back.look.sample, facts.look.sample)
            assert (back.print is None) == (found is None)
            if found is not None and back.print is not None:
                assert back.print.digest == found.digest
                np.testing.assert_array_equal(back.print.thumbnail, found.thumbnail)
    packed = bytearray(pack(facts))
    for at in range(len(packed)):
        packed[at] ^= 4
        assert unpack(bytes(packed)) is None
        packed[at] ^= 4
    assert unpack(bytes(packed)[:-1]) is None


# --- a whole fit --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(ll.TinyCNN().state_dict(), path)
    return path


def fitted(weights: Path, images: Any, cache: Any, **more: Any) -> ll.LatentLabels:
    settings = {"encoder": "tiny", "weights": str(weights), "image_size": 32, "epochs": 2, "runtime": "torch"}
    return ll.LatentLabels(**settings, frozen=True, cache=cache, **more).fit(images)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("animals")
    write(root / "cat", 12)
    write(root / "dog", 14, first=50)
    return root


def test_a_fit_is_the_same_with_and_without_a_cache_and_predicts_from_it(weights: Path, animals: Path, tmp_path: Path) -> None:
    models = [fitted(weights, animals, cache) for cache in ("none", tmp_path / "cache", tmp_path / "cache")]
    states = [model.model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], state[name]) for state in states[1:] for name in states[0])
    third = models[2]
    features = third.fitted_.features
    assert features is not None
    assert features.computed == 0
    marginals = third.predict_proba(animals)
    third.save(tmp_path / "run")
    loaded = ll.LatentLabels.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.predict_proba(animals), marginals)
    assert loaded.fitted_.features is not None
    assert loaded.fitted_.features.at((32, 32)).computed == 0
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.predict_proba(animals), marginals)


def test_features_are_close_to_what_the_encoder_itself_gives(weights: Path, animals: Path, tmp_path: Path) -> None:
    model = fitted(weights, animals, tmp_path / "cache")
    files = sorted(animals.glob("*/*"))
    with torch.no_grad():
        images = torch.from_numpy(decode_images(files, (32, 32)).pixels).float() / 255
        right = model.model.amortizer(images).marginals.numpy()
    np.testing.assert_allclose(model.predict_proba(files), right, atol=1e-5)


def test_an_encoder_that_is_trained_or_random_takes_pixels(weights: Path, animals: Path, tmp_path: Path) -> None:
    trained = ll.LatentLabels(encoder="tiny", weights=str(weights), frozen=False, image_size=32, epochs=1).fit(animals)
    assert trained.fitted_.features is None
    with pytest.warns(DataWarning, match="random weights and is frozen"):
        random = ll.LatentLabels(encoder="tiny", frozen=True, image_size=32, epochs=1, cache=tmp_path / "cache").fit(animals)
    first = random.predict_proba(animals)
    assert random.fitted_.features is not None  # now its weights are what they are
    np.testing.assert_array_equal(random.predict_proba(animals), first)
    inputs = random.read(animals)
    assert inputs.encoded_by is not None
    assert trained.read(inputs).encoded_by is None
