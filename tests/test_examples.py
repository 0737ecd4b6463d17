"""The examples run, on small data, and what they learn beats what is known without looking at the image."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from PIL import Image

from latentlabels import LabelSpace, annotation

EXAMPLES = Path(__file__).parent.parent / "examples"
LABELS = """\
- {name: colour, one_of: [red, green, blue]}
- {name: striped}
- {name: framed}
"""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    pyro.clear_param_store()
    yield
    pyro.clear_param_store()


def main_of(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / name))["main"]


def draw(y: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """A picture of a colour, with stripes and a frame or without: labels in the order of LABELS."""
    colour = np.array([[200, 60, 60], [60, 190, 70], [60, 80, 200]])[y[:3].argmax()]
    pixels = np.tile(colour, (24, 24, 1)) + rng.normal(0, 20, (24, 24, 3))
    if y[3]:
        pixels[::4] = 250
    if y[4]:
        pixels[:3] = pixels[-3:] = pixels[:, :3] = pixels[:, -3:] = 10
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def label_sets(size: int, rng: np.random.Generator) -> np.ndarray:
    y = np.zeros((size, 5))
    y[np.arange(size), rng.integers(0, 3, size)] = 1
    y[:, 3:] = rng.random((size, 2)) < (0.5, 0.3)
    return y


def test_svi_on_a_folder_of_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, space = np.random.default_rng(0), LabelSpace.read(_write(tmp_path / "labels.yaml"))
    torch.manual_seed(0)
    truth, new = label_sets(400, rng), label_sets(80, rng)
    known = annotation.UniformPositive().sample(torch.from_numpy(truth)).argmax(-1).tolist()
    for number, (y, label) in enumerate(zip(truth, known, strict=True)):
        folder = tmp_path / "photos" / space.labels[label]
        folder.mkdir(parents=True, exist_ok=True)
        draw(y, rng).save(folder / f"{number}.png")
    (tmp_path / "new").mkdir()
    for number, y in enumerate(new):
        draw(y, rng).save(tmp_path / "new" / f"{number:02}.png")
    given = (str(tmp_path / name) for name in ("photos", "new", "labels.yaml"))
    files, posterior = main_of("svi.py")(*given, size=24, epochs=12)
    assert [file.name for file in files] == [f"{number:02}.png" for number in range(80)]
    y = torch.from_numpy(new).float()
    prevalence = torch.tensor(truth.mean(0)).float()
    alone = torch.log(prevalence[:3])[y[:, :3].argmax(-1)] + torch.distributions.Bernoulli(prevalence[3:]).log_prob(
        y[:, 3:]
    ).sum(-1)
    assert posterior.log_prob(y).mean() > alone.mean() + 1  # of 2.3 nats
    printed = capsys.readouterr().out
    assert re.search(r"^00\.png red \d\.\d\d green \d\.\d\d blue", printed, re.MULTILINE)


def _write(path: Path) -> Path:
    path.write_text(LABELS, encoding="utf-8")
    return path


def test_svi_without_a_label_space(tmp_path: Path) -> None:
    """And with so few photos that a batch is what there is."""
    rng = np.random.default_rng(0)
    for label, y in (("red", [1, 0, 0, 0, 0]), ("blue", [0, 0, 1, 0, 0]), ("striped", [0, 1, 0, 1, 0])):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(2):
            draw(np.array(y), rng).save(tmp_path / "photos" / label / f"{number}.jpg")
    (tmp_path / "new").mkdir()
    draw(np.array([1, 0, 0, 1, 0]), rng).save(tmp_path / "new" / "a.jpg")
    _, posterior = main_of("svi.py")(tmp_path / "photos", tmp_path / "new", size=24, epochs=1)
    assert posterior.marginals.shape == (1, 3)


def test_own_annotation() -> None:
    found = main_of("own_annotation.py")(["--rows", "1000", "--steps", "80"])
    alone, uniform, own = found.values()
    assert own > alone + 1  # nats of 3.5
    assert own > uniform + 1


def test_the_own_annotation_is_one() -> None:
    """Its sums and its density are the same thing, and its draws follow it."""
    own = runpy.run_path(str(EXAMPLES / "own_annotation.py"))["FirstOfList"]()
    space = LabelSpace.free("abcd")
    torch.manual_seed(0)
    q = space.distribution(torch.randn(4, dtype=torch.float64))
    y = q.enumerate_support()
    total = torch.zeros((), dtype=torch.float64)
    for k in range(5):
        observed = torch.full((4,), -1, dtype=torch.int8)
        observed[k : k + 1] = 1
        each = (q.log_prob(y) + own.log_prob(observed, y)).exp().sum()
        if k < 4:
            torch.testing.assert_close(q.log_marginal(observed, own).exp(), each)
            total = total + each
    torch.testing.assert_close(total, 1 - q.log_prob(torch.zeros(4, dtype=torch.float64)).exp())
    drawn = own.sample(q.sample((200,)))
    assert ((drawn == 1).sum(-1) <= 1).all() and bool((drawn == 1).any())


def test_own_loop(capsys: pytest.CaptureFixture[str]) -> None:
    found = main_of("own_loop.py")(["--images", "400", "--epochs", "8"])
    assert found["network"] > found["prevalence alone"] + 1
    assert "of a new image, if it shows a car" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_they_are_short_and_use_public_names(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) < 85
    assert path.stem != "svi" or len(lines) <= 60
    imports = [line for line in lines if re.match(r"\s*(import|from) latentlabels", line)]
    assert imports == ["import latentlabels as ll"]
