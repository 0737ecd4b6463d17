"""Tables of answers, and what becomes of known labels beside them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latentlabels import DataError, DataWarning, Free, Inputs, LabelSpace, LatentLabels, ObservationError, Observed, OneOf
from latentlabels.annotation import UniformPositive
from latentlabels.annotation.asked import ASKED, with_answers
from latentlabels.fitting.answers_table import read_answers
from latentlabels.fitting.answers_table import with_answers as attached
from latentlabels.inputs.batches import InMemory
from latentlabels.inputs.known_rows import label_rows
from latentlabels.kind import Kind
from latentlabels.objectives import Known
from latentlabels.objectives.collapsed import Collapsed
from latentlabels.serving.answer_file import AnswerFile, Entry

SPACE = LabelSpace([OneOf("colour", ["blue", "red"]), OneOf("vehicle", ["car", "bike"], optional=True), Free("striped")])
HEAD = "image,label,value,time,kind\n"


def read(path: Path, text: str) -> dict[str, list[int]]:
    path.write_text(text)
    found = read_answers(path, SPACE)
    assert found.images is not None
    return dict(zip(found.images, found.values.tolist(), strict=True))


def test_a_table_of_labels_and_groups(tmp_path: Path):
    lines = "a,striped,1,2,question\na,vehicle,none,,\nb,colour,red,,random\nb,car,0,,\nc,bike,,,\n"
    expected = {"a": [-1, -1, 0, 0, 1], "b": [0, 1, 0, -1, -1]}
    assert read(tmp_path / "a.csv", HEAD + lines) == expected
    assert read(tmp_path / "a.csv", HEAD + lines.replace("1,2,", "Yes,2,").replace("0,,", "no,,")) == expected
    assert read(tmp_path / "a.csv", "value,extra,label,image\n1,x,striped,a\n") == {"a": [-1, -1, -1, -1, 1]}


def test_the_last_answer_counts_and_an_empty_one_takes_it_back(tmp_path: Path):
    lines = "a,striped,1,,\nb,striped,1,,\na,striped,0,,\nb,striped,,,\nb,car,1,,\nb,vehicle,bike,,\n"
    assert read(tmp_path / "a.csv", HEAD + lines) == {"a": [-1, -1, -1, -1, 0], "b": [-1, -1, 0, 1, -1]}


def test_a_last_line_that_was_cut_off_does_not_count(tmp_path: Path):
    first = {"a": [-1, -1, -1, -1, 1]}
    short = "image,label,value\na,striped,1\n"
    for text in (HEAD + "a,striped,1,,\nb,striped,1", HEAD + 'a,striped,1,,\n"b', short + "b,vehicle,ca", short + "b,striped,"):
        with pytest.warns(DataWarning, match="last line has no end"):
            assert read(tmp_path / "a.csv", text) == first


def test_a_whole_last_line_without_an_end_counts(tmp_path: Path):
    both = {"a": [-1, -1, -1, -1, 1], "b": [-1, -1, -1, -1, 0]}
    for text in (HEAD + "a,striped,1,,\nb,striped,0,12,question", "image,label,value\na,striped,1\nb,striped,0"):
        assert read(tmp_path / "a.csv", text) == both


def test_names_of_files_are_those_that_the_page_wrote(tmp_path: Path):
    """They may begin with a space, and hold what ends a line elsewhere; tables that people type have no such names."""
    names = [" a.png", "a.png", "b\u2028\x85c.png", "\u00a0d.png", "e\x0b\x0c.png", ' "f",.png', "caf\udce9.png"]
    file = AnswerFile(tmp_path / "a.csv")
    for number, name in enumerate(names):
        file.add([Entry(name, "striped", number % 2, "random"), Entry(name, "car", None, "question")])
    found = read_answers(file.path, SPACE)
    assert found.images == (*names[:-1], "caf\\xe9.png")
    assert found.values[:, -1].tolist() == [0, 1, 0, 1, 0, 1, 0] and (found.values[:, :-1] == -1).all()
    known = Observed(np.full((len(names), 5), -1, np.int8), SPACE, tuple(reversed(found.images)))
    got = attached(replace(inputs([[-1] * 5] * len(names)), observed=known), found)
    assert got.answers is not None
    assert got.answers.dense()[:, -1].tolist() == [0, 1, 0, 1, 0, 1, 0][::-1]
    cut = file.path.read_text(encoding="utf-8") + " g.png,stri"
    with pytest.warns(DataWarning, match="last line has no end"):
        assert [*read(tmp_path / "b.csv", cut)] == [*found.images]
    assert [*read(tmp_path / "c.csv", "image,label,value\n a.png ,striped,1\na.png,car,1\n")] == ["a.png"]


def test_a_table_as_a_spreadsheet_saves_it(tmp_path: Path):
    """Semicolons, a mark at the start, CRLF, decimal commas, lines of empty cells; and a spreadsheet itself."""
    rows = [["image", "label", "value", "gain"], ["Foto ä.png", "striped", "1", "0,69"], ["", "", "", ""]]
    rows += [["Foto ä.png", "colour", "red", "0,5"], ["b", "striped", "nein", "0,1"]]
    expected = {"Foto ä.png": [0, 1, -1, -1, 1], "b": [-1, -1, -1, -1, 0]}
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "a.csv").write_bytes("".join(";".join(row) + "\r\n" for row in rows).encode(encoding))
        found = read_answers(tmp_path / "a.csv", SPACE)
        assert dict(zip(found.images or (), found.values.tolist(), strict=True)) == expected
    (tmp_path / "a.csv").write_bytes("".join(";".join(row) + "\r\n" for row in rows).encode("cp1252"))
    with pytest.raises(DataError, match=r'data.answers: .*a.csv:2: .* the cell is "Foto ä.png".*iconv.*CSV UTF-8'):
        read_answers(tmp_path / "a.csv", SPACE)
    pd.DataFrame(rows[1:], columns=rows[0]).to_excel(tmp_path / "a.xlsx", index=False)
    found = read_answers(tmp_path / "a.xlsx", SPACE)
    assert dict(zip(found.images or (), found.values.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    "text, error, message",
    [
        ("image,label\na,car\n", DataError, "no column value"),
        (HEAD + "a,plane,1,,\n", ObservationError, "a.csv:2.*plane"),
        (HEAD + "a,car,maybe,,\n", ObservationError, 'a.csv:2: value is "maybe"; expected 1'),
        (HEAD + "a,car,none,,\n", ObservationError, 'a.csv:2: value is "none"; expected 1'),
        (HEAD + "a,car,-1,,\n", ObservationError, 'a.csv:2: value is "-1"; expected 1'),
        (HEAD + "a,colour,Red,,\n", ObservationError, 'labels blue, red; did you mean "red"'),
        (HEAD + "a,vehicle,blue,,\n", ObservationError, "has the labels car, bike"),
        (HEAD + ",car,1,,\n", ObservationError, "image is empty"),
        (HEAD + "a,car,1,,\na,bike,1,,\n", ObservationError, "a.csv"),
    ],
)
def test_refused(tmp_path: Path, text: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        read(tmp_path / "a.csv", text)


def inputs(known: list[list[int]]) -> Inputs:
    names = tuple("abcdefgh"[: len(known)])
    table = Observed(np.array(known, np.int8), SPACE, names)
    values = torch.randn(len(known), 3, generator=torch.Generator().manual_seed(0))
    return Inputs(Kind.EMBEDDINGS, InMemory(values), names, np.arange(len(known)), observed=table, named=True)


def answers(**said: list[int]) -> Observed:
    return Observed(np.array(list(said.values()), np.int8), SPACE, tuple(said))


def test_a_pick_that_an_answer_denies_or_excludes_is_forgotten():
    before = inputs([[-1, -1, 1, -1, -1], [-1, 1, -1, -1, -1], [-1, -1, -1, -1, 1]])
    found = attached(before, answers(b=[1, 0, -1, -1, -1], a=[-1, -1, -1, 1, -1], c=[-1, -1, -1, -1, 1]))
    assert found.observed is not None
    assert found.answers is not None
    assert found.observed.values.tolist() == [[-1] * 5, [-1] * 5, [-1, -1, -1, -1, 1]]
    told = label_rows(found.observed, found.answers, asked=True)[torch.arange(3)]
    assert told.tolist() == [[-1, -1, -1, ASKED, -1], [ASKED, 0, -1, -1, -1], [-1, -1, -1, -1, 1]]
    plain = label_rows(found.observed, found.answers)[torch.arange(3)]
    assert plain.tolist() == [[-1, -1, -1, 1, -1], [1, 0, -1, -1, -1], [-1, -1, -1, -1, 1]]
    part = found.take([2, 0])
    assert part.answers is not None
    assert part.answers.dense().tolist() == [[-1, -1, -1, -1, 1], [-1, -1, -1, 1, -1]]


def test_answers_about_other_images():
    before = inputs([[-1, -1, 1, -1, -1], [-1, 1, -1, -1, -1]])
    with pytest.warns(DataWarning, match="1 image left out"):
        found = attached(before, answers(b=[1, 0, -1, -1, -1], z=[-1, -1, -1, 1, -1]))
    assert found.answers is not None
    assert found.answers.num_known.tolist() == [0, 2]
    with pytest.raises(DataError, match="none of its 1 image"):
        attached(before, answers(z=[-1, -1, -1, 1, -1]))
    with pytest.raises(DataError, match="3 rows without names"):
        attached(before, Observed(np.full((3, 5), -1, np.int8), SPACE))


def test_the_short_way_of_training_is_the_general_sum():
    """Picked rows beside answered and complete ones: value and gradient of `Collapsed` with a program."""
    generator = torch.Generator().manual_seed(1)
    y = SPACE.distribution(torch.zeros(80, SPACE.num_logits)).sample().to(torch.int8)
    picked = UniformPositive().sample(y, generator)
    picked[y.sum(-1) == 0] = -1
    asked = torch.where(torch.rand(y.shape, generator=generator) < 0.2, y, -1).to(torch.int8)
    asked[40:] = -1
    asked[:2] = y[:2]
    known = with_answers(picked, asked)
    values = torch.randn(80, 6, generator=generator)
    model = LatentLabels(SPACE, encoder="embedding", epochs=1, held_out=0.0, seed=0, expected_labels=2.0)
    model.fit(values.numpy(), Observed(picked.numpy(), SPACE), answers=asked.numpy())
    objective = model.fitted_.program.objective
    assert isinstance(objective, Collapsed)
    objective.train()
    objective.start(Known(known, torch.arange(80), torch.full((5,), 0.3), 2.0, lambda rows: values[rows]))
    assert objective._one_positive is not None
    logits = torch.randn(80, objective.num_logits, generator=generator).requires_grad_()
    short = objective(logits, known, index=torch.arange(80))
    (first,) = torch.autograd.grad(short, logits)
    general = objective(logits, known)
    (second,) = torch.autograd.grad(general, logits)
    assert float(short.detach()) == pytest.approx(float(general.detach()), abs=1e-5)
    assert torch.allclose(first, second, atol=1e-6)


def test_a_fit_learns_from_answers_and_its_posterior_is_given_them():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(300, 2)).astype(np.float32)
    y = np.stack([values[:, 0] > 0, values[:, 1] > 0], 1).astype(np.int8)
    space = LabelSpace.free(["a", "b"])
    picked = np.full((300, 2), -1, np.int8)
    picked[y[:, 0] == 1, 0] = 1  # "b" is never known
    answers_ = np.full((300, 2), -1, np.int8)
    answers_[:, 1] = y[:, 1]
    settings = {"encoder": "embedding", "epochs": 60, "seed": 0, "learning_rate": 0.05}
    model = LatentLabels(space, **settings)
    model.fit(values, Observed(picked, space), answers=answers_)
    p = model.predict_proba(values)[:, 1]
    assert p[y[:, 1] == 1].mean() - p[y[:, 1] == 0].mean() > 0.5
