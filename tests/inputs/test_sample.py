"""A sample of pictures: which they are, and that it hardly depends on what else there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latentlabels.inputs.content import digest_of
from latentlabels.inputs.sample import SampleOfFiles, SampleOfPixels, sample_of


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((10, 10, 3), 10 * number, np.uint8)).save(path)
        found.append(path)
    return found


def test_a_sample_stays_where_images_are_added_or_removed() -> None:
    names = [f"{number}.jpg" for number in range(2000)]
    chosen = {names[row] for row in sample_of(names, 100)}
    assert len(chosen) == 100
    assert chosen == {reversed_[row] for reversed_ in [names[::-1]] for row in sample_of(reversed_, 100)}
    more = [*names, *(f"new {number}.jpg" for number in range(200))]  # a tenth more: a tenth of the sample goes, as a rule
    kept = chosen & {more[row] for row in sample_of(more, 100)}
    assert 80 <= len(kept) < 100
    fewer = [name for name in names if name not in set(sorted(chosen)[:3])]
    assert len(chosen & {fewer[row] for row in sample_of(fewer, 100)}) == 97


def test_every_picture_is_as_likely_to_be_in_it() -> None:
    """The mean row of the sample lies within four standard errors of that of all."""
    rows = np.array(sample_of([str(number) for number in range(5000)], 500))
    assert abs(rows.mean() - 2499.5) < 4 * 5000 / 12**0.5 / 500**0.5


def test_files_give_their_contents_and_pictures(files: list[Path]) -> None:
    sample = SampleOfFiles(files, (8, 8))
    pixels = sample.pixels()
    assert pixels.shape == (12, 3, 8, 8) and pixels.dtype == np.uint8
    assert sorted(pixels[:, 0, 0, 0].tolist()) == [10 * number for number in range(12)]
    assert sorted(sample.contents()) == sorted(digest_of(path.read_bytes()) for path in files)


def test_files_that_cannot_be_read_are_left_out(files: list[Path]) -> None:
    files[3].write_bytes(b"no picture")
    sample = SampleOfFiles([*files, Path("gone.png")], (8, 8))
    assert len(sample.pixels()) == 11
    assert len(SampleOfFiles([], (8, 8)).pixels()) == 0


def test_sixteen_bits_have_black_and_white_of_the_sample(tmp_path: Path) -> None:
    for number, most in enumerate((1023, 4095)):
        Image.fromarray(np.full((9, 9), most, np.uint16)).save(tmp_path / f"{number}.png")
    found = SampleOfFiles(sorted(tmp_path.iterdir()), (8, 8)).pixels()
    assert sorted(found[:, 0, 0, 0].tolist()) == [64, 255]


def test_pixels_that_are_drawn_at_random_are_drawn_alike() -> None:
    sample = SampleOfPixels(700, lambda rows: torch.randint(0, 255, (len(rows), 3, 4, 4), dtype=torch.uint8).numpy())
    before = torch.random.get_rng_state()
    assert len(sample.contents()) == 500
    assert sample.contents() == sample.contents()
    assert torch.equal(torch.random.get_rng_state(), before)
