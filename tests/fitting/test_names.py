"""Names as evidence through a whole fit, with a tiny CLIP of random weights: its image side is real, its texts are made up.

Pictures show patterns, of which each is a label. Texts that "point the right way" are, for each label, the direction of the
image embeddings that tells it best, found from other pictures with complete labels.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from clip import tiny_clip, write_clip
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor

from latentlabels import Free, LabelSpace, LatentLabels, OneOf
from latentlabels.encoders import build_encoder
from latentlabels.encoders.family import Texts
from latentlabels.errors import ConfigError, DataWarning
from latentlabels.fitting import names as names_of_fits
from latentlabels.program import NamedHead

OWN, K = "open_clip:own", 8
LABELS = [f"pattern_{k}" for k in range(K)]
SPACE = LabelSpace.free(LABELS)
PATTERNS = np.random.default_rng(0).integers(0, 256, (K, 3, 8, 8)).repeat(4, 2).repeat(4, 3)
Pictures = tuple[NDArray[np.uint8], NDArray[np.int8]]


class Said(NamedTuple):
    """A folder with a CLIP, and embeddings of the labels that its image side would be told by."""

    folder: Path
    right: Tensor


def draw(num: int, seed: int) -> Pictures:
    """Pictures of blended patterns, and their complete labels."""
    rng = np.random.default_rng(seed)
    shown = rng.random((num, K)) < 0.2
    shown[np.arange(num), rng.integers(0, K, num)] = True
    pictures = np.stack([PATTERNS[np.flatnonzero(row)].mean(0) for row in shown]) + rng.normal(0, 25, (num, 3, 32, 32))
    return pictures.clip(0, 255).astype(np.uint8), shown.astype(np.int8)


def one_each(per_label: int, seed: int) -> Pictures:
    """Pictures with one known label each, so that each label is known in so many."""
    pictures, truth = draw(K * per_label * 4, seed)
    picked = (truth * np.random.default_rng(seed).random(truth.shape)).argmax(1)
    observed = np.full_like(truth, -1)
    observed[np.arange(len(truth)), picked] = 1
    rows = np.concatenate([np.flatnonzero(picked == k)[:per_label] for k in range(K)])
    return pictures[rows], observed[rows]


TEST = draw(300, 1)
# few images, and a count that nothing fixes: each test is about something else
QUIET = pytest.mark.filterwarnings("ignore::latentlabels.errors.DataWarning", "ignore::latentlabels.errors.AnchorWarning")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder = write_clip(tmp_path_factory.mktemp("clip"), tiny_clip())
    pictures, truth = draw(1000, 2)
    module = build_encoder(OWN, str(folder)).module.eval()
    with torch.no_grad():
        features = torch.cat([module(torch.from_numpy(part).float() / 255) for part in np.array_split(pictures, 10)]).numpy()
    centred = features - features.mean(0)
    second = centred.T @ centred / len(centred)
    second += 1e-3 * np.trace(second) / len(second) * np.eye(len(second))
    right = np.linalg.solve(second, centred.T @ (truth - truth.mean(0)) / len(truth)).T
    return Said(folder, torch.nn.functional.normalize(torch.from_numpy(right).float(), dim=-1))


@pytest.fixture
def texts(said: Said, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """What the text side says of labels, which a test may change."""
    current = dict(zip(LABELS, said.right, strict=True))

    def embed(name: str, weights: str | None, wanted: Mapping[str, Sequence[str]]) -> Texts:
        assert (name, weights) == (OWN, str(said.folder))
        return Texts(torch.stack([current[label] for label in wanted]), 1e4)

    monkeypatch.setattr(names_of_fits, "embed_texts", embed)
    return current


def fitted(said: Said, data: Pictures, **settings: object) -> LatentLabels:
    model = LatentLabels(SPACE, encoder=OWN, weights=str(said.folder), runtime="torch", **settings)  # type: ignore[arg-type]
    return model.fit(*data)


def mean_ap(model: LatentLabels) -> float:
    found = model.predict_proba(TEST[0])
    return float(np.mean([average_precision_score(TEST[1][:, k], found[:, k]) for k in range(K)]))


def head_of(model: LatentLabels) -> NamedHead:
    head = model.model.amortizer.head
    assert isinstance(head, NamedHead)
    return head


# --- what names are worth -------------------------------------------------------------------------------------------------


@QUIET
@pytest.mark.parametrize("objective", ["collapsed", "assume-negative"])
def test_with_one_image_of_each_label_right_names_win_by_far(objective: str, said: Said, texts: dict[str, Tensor]):
    """By 25 points at least; measured: 58 to 60 without, 97 with them."""
    data = one_each(1, 10)
    plain = mean_ap(fitted(said, data, objective=objective))
    named = mean_ap(fitted(said, data, objective=objective, names=True))
    assert plain > 0.4  # more than the share of pictures that show a label: it has learned something
    assert named > max(0.9, plain + 0.25)


@QUIET
def test_with_many_images_the_data_win_over_wrong_names(said: Said, texts: dict[str, Tensor]):
    """Names that belong to other labels: within two points of none at all, and their scale falls."""
    data = one_each(50, 10)
    plain = mean_ap(fitted(said, data))
    texts.update(dict(zip(LABELS, said.right.flip(0), strict=True)))
    start = LatentLabels(SPACE, encoder=OWN, weights=str(said.folder), names=True).prepare(*data)
    assert mean_ap(start) < 0.5 < plain - 0.3
    wrong = fitted(said, data, names=True)
    assert mean_ap(wrong) > plain - 0.02
    assert head_of(wrong).scale < head_of(start).scale / 2


@QUIET
def test_the_fewer_images_the_more_is_shrunk(said: Said, texts: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch):
    """What images add to the logits, in units of what they would add without the prior: less where they are few."""

    def added(per_label: int, residual: float) -> float:
        monkeypatch.setattr(names_of_fits, "RESIDUAL", residual)
        model = fitted(said, one_each(per_label, 10), names=True, held_out=0.0, epochs=240 // per_label, learning_rate=3e-3)
        head, encoder = head_of(model), model.model.amortizer.encoder
        with torch.no_grad():
            features = encoder(torch.from_numpy(TEST[0]).float() / 255)
            return float((features @ head.weight.T).std(0).mean())

    free = {per_label: added(per_label, 1e4) for per_label in (2, 40)}
    shares = [[added(per_label, residual) / free[per_label] for residual in (0.5, 2.0)] for per_label in free]
    for few, many in zip(*shares, strict=True):
        assert few < many / 3
    for narrow, wide in shares:
        assert narrow < 0.6 * wide


@QUIET
def test_a_label_that_no_image_shows_is_known_by_its_name(said: Said, texts: dict[str, Tensor]):
    pictures, observed = one_each(20, 10)
    rows = observed[:, 3] != 1
    with pytest.warns(DataWarning, match='"pattern_3".*their names alone say where they are'):
        model = fitted(said, (pictures[rows], observed[rows]), names=True)
    found = model.predict_proba(TEST[0])[:, 3]
    assert average_precision_score(TEST[1][:, 3], found) > 0.9
    assert not head_of(model).weight[3].any()


# --- through runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A CLIP in a folder of its own, whose own text side is asked."""
    return write_clip(tmp_path / "clip", tiny_clip())


@QUIET
@pytest.mark.parametrize("settings", [{}, {"frozen": False}, {"mixture": 2}, {"objective": "unknown-class"}, {"windows": True}])
def test_a_run_needs_neither_the_folder_nor_the_texts_any_more(settings: dict[str, object], real: Path, tmp_path: Path):
    space = LabelSpace([OneOf("pattern", LABELS[:3], optional=True), *map(Free, LABELS[3:])])
    given = {"encoder": OWN, "weights": str(real), "names": True, "prompts": ["see {}"], "epochs": 2, **settings}
    model = LatentLabels(space, **given).fit(*one_each(4, 10))  # type: ignore[arg-type]
    run = model.save(tmp_path / "run")
    shutil.rmtree(real)
    again = LatentLabels.load(run)
    np.testing.assert_array_equal(again.predict_proba(TEST[0][:20]), model.predict_proba(TEST[0][:20]))
    assert again.prompts == ["see {}"] and again.names
    assert head_of(again).scale == head_of(model).scale == again.diagnostics_["names"]["scale"]
    assert again.fitted_.image_size == ((32, 64) if settings.get("windows") else (32, 32))


@QUIET
def test_a_fit_that_goes_on_reads_the_names_of_new_labels_alone(said: Said, texts: dict[str, Tensor], tmp_path: Path):
    pictures, observed = one_each(6, 10)
    old = observed[:, 7] != 1
    before = LatentLabels(LabelSpace.free(LABELS[:7]), encoder=OWN, weights=str(said.folder), names=True, epochs=3)
    before.fit(pictures[old], observed[old][:, :7])
    run = before.save(tmp_path / "run")
    for label in LABELS[:7]:
        del texts[label]  # asked for, they would be missed
    more = LatentLabels(SPACE, names=True, init_from=run, epochs=3).fit(pictures, observed)
    mine, theirs = head_of(more), head_of(before)
    torch.testing.assert_close(mine.names[:7], theirs.names)
    torch.testing.assert_close(mine.names[7], said.right[7])
    torch.testing.assert_close(mine.stretch, theirs.stretch)
    found = more.predict_proba(TEST[0])[:, 7]
    assert average_precision_score(TEST[1][:, 7], found) > 0.9
    texts.update(dict(zip(LABELS, said.right.flip(0), strict=True)))  # other prompts, other texts
    other = LatentLabels(SPACE, names=True, prompts=["{}"], init_from=run, epochs=1).fit(pictures, observed)
    torch.testing.assert_close(head_of(other).names, said.right.flip(0))
    tuned = LatentLabels(SPACE, names=True, prompts=["{}"], init_from=run, frozen=False, epochs=1).fit(pictures, observed)
    assert mean_ap(tuned) > 0


@QUIET
def test_trained_and_frozen_encoders_start_as_the_same_classifier(said: Said, texts: dict[str, Tensor]):
    """Frozen, features are standardised; trained, embeddings come as they are."""
    data = one_each(20, 10)
    given = {"encoder": OWN, "weights": str(said.folder), "names": True, "runtime": "torch"}
    start = [LatentLabels(SPACE, frozen=frozen, **given).prepare(*data) for frozen in (True, False)]  # type: ignore[arg-type]
    np.testing.assert_allclose(*(model.predict_proba(TEST[0]) for model in start), atol=2e-4)
    assert mean_ap(start[0]) > 0.9


# --- refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said_of_it"),
    [
        ({"encoder": "tiny"}, 'needs an encoder with a text side, which "tiny" does not have; give open_clip:NAME'),
        ({"encoder": "embedding"}, 'which "embedding" does not have'),
        ({"encoder": "open_clip:ViT-B-32"}, "open_clip:ViT-B-32 without weights has learned no words; give weights: DEFAULT"),
        ({"encoder": OWN, "weights": "x", "regions": True}, "model.names and model.regions cannot be combined"),
        ({"encoder": "tiny", "names": False, "prompts": ["{}"]}, "model.prompts are used only with model.names"),
    ],
)
def test_what_does_not_go_with_names_is_said_before_anything_is_read(settings: dict[str, object], said_of_it: str):
    model = LatentLabels(SPACE, **{"names": True, **settings})  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as error:
        model.fit("no/such/folder", None)
    assert said_of_it in str(error.value)


def test_prompts_are_checked_with_the_labels(real: Path):
    for prompts, said_of_it in ((["nothing"], "needs {} exactly once"), ({"patern_1": ["x"]}, 'did you mean "pattern_1"')):
        model = LatentLabels(SPACE, encoder=OWN, weights=str(real), names=True, prompts=prompts)
        with pytest.raises(ConfigError, match=said_of_it):
            model.fit(*one_each(1, 3))
