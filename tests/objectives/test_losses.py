"""The comparison losses: values by hand, gradients, and the log-likelihoods that they equal."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from latentlabels import objectives
from latentlabels.annotation import Ignorable, PerLabelSearch
from latentlabels.config import BenchConfig, ModelConfig
from latentlabels.errors import ConfigError, ObservationError
from latentlabels.objectives import OBJECTIVES, make
from latentlabels.objectives.registry import HOMES
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        Free("striped"),
        OneOf("colour", ["blue", "red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("open", requires="car"),
        OneOf("single", ["it"], optional=True),
    ]
)
LABELS = SPACE.labels
NAMES = sorted(OBJECTIVES)  # of which other modules may add more
STARTED = {"crisp", "em-apl", "expected-positive", "gpr", "ll-cp", "nnpu", "role", "smile-soft-labels"}
BASELINES = ["assume-negative", "full-labels", "one-positive-all-negatives", "revealed-group", "unknown-class"]


def row(**known: int) -> list[int]:
    return [known.get(label.replace("-", "_"), -1) for label in LABELS]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def data(batch: int = 4, seed: int = 0, valid: bool = True) -> tuple[Tensor, Tensor]:
    """Truth from the declared space, and of each image one known positive and one known absence."""
    generator = torch.Generator().manual_seed(seed)
    sets = torch.tensor(list(SPACE.label_sets()))
    truth = sets[torch.randint(len(sets), (batch,), generator=generator)].to(torch.int8)
    observed = torch.full_like(truth, -1)
    for y, o in zip(truth, observed, strict=True):
        for value in (1, 0):
            places = (y == value).nonzero().flatten()
            o[places[torch.randint(len(places), (), generator=generator)]] = value
    return truth, observed


def logits_for(objective: objectives.Objective, batch: int, seed: int = 1, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, objective.space.num_logits, generator=generator, dtype=torch.float64) * scale


def test_the_registry_calls_every_objective_by_its_name() -> None:
    assert set(BASELINES) | {"collapsed"} <= set(OBJECTIVES)
    assert all(OBJECTIVES[name].name == name for name in OBJECTIVES)
    homes = {path.stem for path in Path(objectives.__file__).parent.glob("*.py")} - {
        "__init__",
        "base",
        "group_outcomes",
        "registry",
    }
    assert {home.partition(":")[0] for home in HOMES.values()} == homes  # a file that no line names would be dead
    assert all(getattr(objectives, OBJECTIVES[name].__name__) is OBJECTIVES[name] for name in OBJECTIVES)


def test_a_config_takes_the_names_of_the_registry_without_torch() -> None:
    assert ModelConfig(objective="gr").objective == "gr" and ModelConfig().objective == objectives.DEFAULT
    with pytest.raises(ValueError, match="collapsed"):
        ModelConfig(objective="grr")
    said = "import sys, latentlabels.config as c; assert c.OBJECTIVE_NAMES; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0


def test_what_each_objective_states() -> None:
    """The facts that the rest of the package asks for; by hand, so that a new objective is looked at here once."""
    classes = {name: OBJECTIVES[name] for name in OBJECTIVES}
    assert [name for name in classes if classes[name].is_likelihood] == ["collapsed"]
    assert [name for name in classes if classes[name].takes_whole_model] == ["collapsed"]
    ceilings = {"full-labels", "one-positive-all-negatives", "multilabel-soft-margin"}
    assert {name for name in classes if classes[name].needs_truth} == ceilings
    assert {name for name in classes if classes[name].stops_by_value()} == ceilings | {"collapsed"}
    how = PerLabelSearch()
    assert {name for name in classes if classes[name].conditions_by(how) is how} == {"collapsed"}
    assert all(type(c.conditions_by(how)) is Ignorable for name, c in classes.items() if name != "collapsed")
    assert classes["collapsed"].value().whole == "log-likelihood of the known labels, nats per image"
    assert classes["gr"].value().whole == "negative gr loss, higher is better"
    ramps = {name: make(name, SPACE).ramp_epochs for name in classes}
    robust = {"gr": 8, "gr-coco": 8, "gpr": 8}
    assert {name: n for name, n in ramps.items() if n} == robust | {"em-apl": 10, "splc": 1, "ll-cp": 1, "crisp": 1}
    assert make("em-apl", SPACE, warmup=2, rounds=1).ramp_epochs == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("assume-negativ", {}, 'did you mean "assume-negative"'),
        ("colapsed", {}, 'did you mean "collapsed"'),
        ("collapsed", {"anotation": None}, 'did you mean "annotation"'),
        ("full-labels", {"groupd": True}, 'did you mean "grouped"'),
        ("revealed-group", {"grouped": True}, "it takes none"),
    ],
)
def test_unknown_names_and_options_are_config_errors(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, SPACE, **options)


def test_a_name_of_an_earlier_version_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match='objective "smile" is now called "smile-soft-labels"'):
        assert make("smile", SPACE).name == "smile-soft-labels"
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert ModelConfig(objective="smile").objective == "smile-soft-labels"
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert BenchConfig(objectives=["em", "smile"]).objectives == ["em", "smile-soft-labels"]
    assert "smile" not in OBJECTIVES


@pytest.mark.parametrize("name", NAMES)
def test_the_columns_stay_where_they_were(name: str) -> None:
    objective = make(name, SPACE)
    assert objective.space.labels == LABELS
    assert objective.declared is SPACE
    assert objective.space.distribution(torch.zeros(2, objective.space.num_logits)).marginals.shape == (2, len(LABELS))


def test_the_spaces_at_prediction() -> None:
    assert make("assume-negative", SPACE).space == LabelSpace.free(LABELS)
    assert make("full-labels", SPACE).space == LabelSpace.free(LABELS)
    assert make("full-labels", SPACE, grouped=True).space == SPACE
    revealed, unknown = make("revealed-group", SPACE).space, make("unknown-class", SPACE).space
    assert all(group.requires is None for group in (*revealed.groups, *unknown.groups))
    assert [group.optional for group in revealed.groups if isinstance(group, OneOf)] == [False] * 4
    assert [group.optional for group in unknown.groups if isinstance(group, OneOf)] == [True] * 4
    assert [group.name for group in revealed.groups] == [group.name for group in SPACE.groups]


def test_assume_negative_by_hand() -> None:
    objective = make("assume-negative", LabelSpace.free(["a", "b", "c"]))
    logits = torch.tensor([[0.3, -1.2, 2.0], [0.5, 0.0, -0.7]], dtype=torch.float64)
    observed = torch.tensor([[1, -1, 0], [-1, -1, -1]], dtype=torch.int8)
    first = -math.log(sigmoid(0.3)) - math.log(1 - sigmoid(-1.2)) - math.log(1 - sigmoid(2.0))
    second = -sum(math.log(1 - sigmoid(x)) for x in (0.5, 0.0, -0.7))
    assert objective(logits, observed).item() == pytest.approx((first + second) / 2, abs=1e-12)


def test_full_labels_by_hand_reads_the_truth_alone() -> None:
    objective = make("full-labels", LabelSpace.free(["a", "b", "c"]))
    logits = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    truth = torch.tensor([[1, 0, 1]])
    expected = -math.log(sigmoid(0.3)) - math.log(1 - sigmoid(-1.2)) - math.log(sigmoid(2.0))
    for known in (-1, 0, 1):
        observed = torch.full((1, 3), known, dtype=torch.int8)
        assert objective(logits, observed, truth).item() == pytest.approx(expected, abs=1e-12)
    without = objective(logits, torch.full((1, 3), -1, dtype=torch.int8), torch.tensor([[1, 0, -1]])).item()
    assert without == pytest.approx(expected + math.log(sigmoid(2.0)), abs=1e-12)


def test_one_positive_all_negatives_by_hand() -> None:
    objective = make("one-positive-all-negatives", LabelSpace.free(["a", "b", "c", "d"]))
    logits = torch.tensor([[0.3, -1.2, 2.0, 0.9]], dtype=torch.float64, requires_grad=True)
    loss = objective(logits, torch.tensor([[1, -1, -1, -1]], dtype=torch.int8), torch.tensor([[1, 1, 0, 0]]))
    expected = -math.log(sigmoid(0.3)) - math.log(1 - sigmoid(2.0)) - math.log(1 - sigmoid(0.9))
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0  # present, but not known: left out
    assert (logits.grad[0, [0, 2, 3]] != 0).all()


def softmax(*logits: float) -> list[float]:
    total = sum(math.exp(x) for x in logits)
    return [math.exp(x) / total for x in logits]


def test_revealed_group_by_hand() -> None:
    objective = make("revealed-group", SPACE)
    logits = torch.tensor([[0.4, 0.1, -0.5, 1.0, 0.7, -0.2, 0.3, 0.9, -1.1, 0.6]] * 6, dtype=torch.float64)
    observed = torch.tensor(
        [
            row(red=1),  # its group alone
            row(green=0),  # a known absence leaves the rest of the group
            row(red=1, green=0, striped=0, open=1),  # an absence beside the positive adds nothing
            row(),  # nothing known, nothing learnt
            row(car=0, bike=0, striped=1),  # optional when declared, without an outcome here
            row(red=1, car=1, **{"2_doors": 1}),
        ],
        dtype=torch.int8,
    )
    colour = softmax(0.1, -0.5, 1.0)
    vehicle, doors = softmax(0.7, -0.2), softmax(0.3, 0.9)
    expected = [
        -math.log(colour[1]),
        -math.log(colour[0] + colour[1]),
        -math.log(colour[1]) - math.log(1 - sigmoid(0.4)) - math.log(sigmoid(-1.1)),
        0.0,
        -math.log(sigmoid(0.4)),
        -math.log(colour[1]) - math.log(vehicle[0]) - math.log(doors[0]),
    ]
    each = [objective(logits[i : i + 1], observed[i : i + 1]).item() for i in range(6)]
    assert each == pytest.approx(expected, abs=1e-12)
    assert objective(logits, observed).item() == pytest.approx(sum(expected) / 6, abs=1e-12)


def test_a_row_with_nothing_known_teaches_revealed_group_exactly_nothing() -> None:
    objective = make("revealed-group", SPACE)
    logits = logits_for(objective, 3).requires_grad_()
    observed = torch.tensor([row(), row(car=0, bike=0), row(it=0)], dtype=torch.int8)
    loss = objective(logits, observed)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None and (logits.grad == 0).all()


def test_unknown_class_by_hand() -> None:
    objective = make("unknown-class", SPACE)
    values = [0.4, 0.1, -0.5, 1.0, 0.2, 0.7, -0.2, 0.5, 0.3, 0.9, -0.8, -1.1, 0.6, 0.0]
    logits = torch.tensor([values] * 4, dtype=torch.float64)
    observed = torch.tensor([row(red=1), row(green=0), row(striped=1, bike=1, **{"4_doors": 0}), row()], dtype=torch.int8)
    colour, vehicle = softmax(*values[1:5]), softmax(*values[5:8])
    doors, single = softmax(*values[8:11]), softmax(*values[12:14])
    striped, opened = sigmoid(0.4), sigmoid(-1.1)
    nothing = (1 - striped, colour[3], vehicle[2], doors[2], 1 - opened, single[1])
    expected = [
        -sum(map(math.log, (1 - striped, colour[1], vehicle[2], doors[2], 1 - opened, single[1]))),
        -sum(map(math.log, nothing)),
        -sum(map(math.log, (striped, colour[3], vehicle[1], doors[2], 1 - opened, single[1]))),
        -sum(map(math.log, nothing)),
    ]
    each = [objective(logits[i : i + 1], observed[i : i + 1]).item() for i in range(4)]
    assert each == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("seed", [0, 1])
def test_objectives_equal_the_log_likelihood_of_their_space(name: str, seed: int) -> None:
    truth, observed = data(batch=16, seed=seed)
    objective = make(name, SPACE)
    logits = logits_for(objective, 16, seed)
    q = objective.space.distribution(logits)
    positive = (observed == 1).to(logits.dtype)
    if name == "assume-negative" or name == "unknown-class":
        expected = -q.log_prob(positive)
    elif name == "full-labels":
        expected = -q.log_prob(truth.to(logits.dtype))
    elif name == "one-positive-all-negatives":
        taught = torch.where((observed == 1) | (truth == 0), observed.clamp(min=0), -1).to(torch.int8)
        expected = -q.log_marginal(taught, Ignorable())
    else:
        observed = torch.where(observed == 0, -1, observed).to(torch.int8)  # some absences leave it no outcome
        expected = -q.log_marginal(observed, Ignorable())
    assert objective(logits, observed, truth).item() == pytest.approx(expected.mean().item(), abs=1e-10)


def test_grouped_full_labels_are_the_declared_likelihood() -> None:
    truth, observed = data(batch=16)
    objective = make("full-labels", SPACE, grouped=True)
    logits = logits_for(objective, 16)
    expected = -SPACE.distribution(logits).log_prob(truth.double()).mean()
    assert objective(logits, observed, truth).item() == pytest.approx(expected.item(), abs=1e-10)
    truth[3, SPACE.index("blue")] = truth[3, SPACE.index("red")] = 1
    with pytest.raises(ObservationError, match=r"1 of 16 images breaks a group.*rows 3 "):
        objective(logits, observed, truth)


@pytest.mark.parametrize("name", BASELINES)
def test_gradients(name: str) -> None:
    truth, observed = data(batch=3)
    objective = make(name, SPACE)
    logits = logits_for(objective, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: objective(values, observed, truth, torch.arange(3)), (logits,))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_large_logits_stay_finite(name: str, dtype: torch.dtype) -> None:
    truth, observed = data(batch=8)
    objective = make(name, SPACE)
    logits = (logits_for(objective, 8).sign() * 40).to(dtype).requires_grad_()
    loss = objective(logits, observed, truth)
    loss.backward()
    assert loss.dtype == (dtype if dtype.itemsize >= 4 else torch.float32)
    assert torch.isfinite(loss)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", BASELINES)
def test_the_loss_is_a_mean_over_images_of_a_sum_over_labels(name: str) -> None:
    truth, observed = data(batch=6)
    objective = make(name, SPACE)
    logits = logits_for(objective, 6)
    whole = objective(logits, observed, truth)
    halves = [objective(logits[part], observed[part], truth[part]) for part in (slice(0, 3), slice(3, 6))]
    assert whole.shape == ()
    assert whole.item() == pytest.approx(sum(half.item() for half in halves) / 2, abs=1e-10)
    twice = [values.repeat(2, 1) for values in (logits, observed, truth)]
    assert objective(*twice).item() == pytest.approx(whole.item(), abs=1e-10)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("known", [-1, 0, 1])
def test_nothing_known_all_known_and_no_image(name: str, known: int) -> None:
    """Rows of one value everywhere, contradictions among them, have a finite loss and gradient."""
    objective = make(name, SPACE)
    truth, _ = data(batch=2)
    logits = logits_for(objective, 2).requires_grad_()
    observed = torch.full((2, len(LABELS)), known, dtype=torch.int8)
    loss = objective(logits, observed, truth)
    loss.backward()
    assert torch.isfinite(loss) and logits.grad is not None and torch.isfinite(logits.grad).all()
    none = objective(logits[:0], observed[:0], truth[:0])
    assert none.item() == 0 and none.requires_grad


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("space", [LabelSpace.free(["a"]), LabelSpace([OneOf("g", ["a"])])], ids=["free", "one-of"])
def test_one_label(name: str, space: LabelSpace) -> None:
    objective = make(name, space)
    logits = torch.zeros(1, objective.space.num_logits, dtype=torch.float64)
    observed = torch.ones(1, 1, dtype=torch.int8)
    alone = name == "revealed-group" and isinstance(space.groups[0], OneOf)  # the only outcome is certain
    assert objective(logits, observed, observed).item() == pytest.approx(0.0 if alone else math.log(2))


@pytest.mark.parametrize("name", NAMES)
def test_wrong_shapes_name_both(name: str) -> None:
    objective = make(name, SPACE)
    truth, observed = data(batch=2)
    size = objective.space.num_logits
    with pytest.raises(ValueError, match=rf"\(2, {size + 1}\).*\(B, {size}\)"):
        objective(torch.zeros(2, size + 1), observed, truth)
    with pytest.raises(ObservationError, match=rf"observed has shape \(2, 3\).*\(2, {len(LABELS)}\)"):
        objective(torch.zeros(2, size), observed[:, :3], truth)
    with pytest.raises(ObservationError, match=rf"truth has shape \(1, {len(LABELS)}\).*\(2, {len(LABELS)}\)"):
        objective(torch.zeros(2, size), observed, truth[:1])


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_asked_for_only_where_it_is_read(name: str, ready) -> None:
    _, observed = data(batch=2)
    objective = ready(name, observed, SPACE)
    logits = logits_for(objective, 2)
    inputs = torch.zeros(2, 3)
    if objective.needs_truth:
        with pytest.raises(ConfigError, match="truth="):
            objective(logits, observed, None, torch.arange(2), inputs, lambda x: logits + x.sum())
    else:
        assert torch.isfinite(objective(logits, observed, None, torch.arange(2), inputs, lambda x: logits + x.sum()))


@pytest.mark.parametrize("name", NAMES)
def test_a_start_is_asked_for_only_where_it_is_needed(name: str) -> None:
    objective = make(name, SPACE).eval()
    truth, observed = data(batch=2)
    logits = logits_for(objective, 2)
    assert objective.needs_start == (name in STARTED)
    if objective.needs_start:
        with pytest.raises(ConfigError, match=f'"{name}" looks at the training data .* call its start'):
            objective(logits, observed, truth)
    else:
        assert torch.isfinite(objective(logits, observed, truth))


@pytest.mark.parametrize("name", BASELINES)
def test_minimising_finds_what_is_known(name: str) -> None:
    """A few steps of descent raise the probability of the known positives."""
    truth, observed = data(batch=8)
    objective = make(name, SPACE)
    logits = torch.zeros(8, objective.space.num_logits, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([logits], lr=8.0)
    known = observed == 1
    before = objective.space.distribution(logits).marginals[known].detach()
    for _ in range(20):
        optimiser.zero_grad()
        objective(logits, observed, truth).backward()
        optimiser.step()
    after = objective.space.distribution(logits).marginals[known].detach()
    certain = before > 0.999  # a group of one label
    assert (after[~certain] > before[~certain] + 0.3).all()
