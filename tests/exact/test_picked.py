"""The mean log-likelihood of images with one known label: against `CollapsedELBO`, and against finite differences."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlabels.annotation import Ignorable, PerLabelSearch, Scar, UniformPositive
from latentlabels.errors import AnchorWarning
from latentlabels.estimator import LatentLabels
from latentlabels.exact import compile_forest
from latentlabels.exact.picked import MANY, PickedLogLikelihood, Terms, flat_groups
from latentlabels.objectives import Known, Objective
from latentlabels.space import Free, LabelSpace, OneOf

SPACES = {
    "free": LabelSpace.free("abcde"),
    "one free": LabelSpace.free("a"),
    "many free": LabelSpace.free(f"l{k}" for k in range(40)),
    "groups": LabelSpace([OneOf("g", list("abc")), OneOf("h", list("de"), optional=True), OneOf("i", list("fghi"))]),
    "optional": LabelSpace([OneOf("g", list("abc"), optional=True), OneOf("h", list("de"), optional=True)]),
    "mixed": LabelSpace(
        [Free("x"), OneOf("g", list("abc"), optional=True), Free("y"), OneOf("h", list("de"), optional=True), Free("z")]
    ),
    "exhaustive and free": LabelSpace([Free("x"), OneOf("g", list("abc")), Free("y")]),
}
ROWS = 50


def attached(space: LabelSpace, annotation=None, observed: Tensor | None = None, **settings) -> tuple[Objective, LatentLabels]:
    """An objective that has seen its training data, one known label each, and the estimator whose program it is of."""
    generator = torch.Generator().manual_seed(1)
    if observed is None:
        observed = torch.full((ROWS, space.num_labels), -1, dtype=torch.int8)
        observed[torch.arange(ROWS), torch.arange(ROWS) % space.num_labels] = 1
    inputs = torch.randn(len(observed), 6, generator=generator)
    model = LatentLabels(space, annotation, "embedding", **settings).prepare(inputs.numpy(), observed.numpy())
    objective = model.fitted_.program.objective
    prevalence = torch.full((space.num_labels,), 0.5)
    objective.start(Known(observed, torch.arange(len(observed)), prevalence, 1.5, lambda rows: inputs[rows]))
    torch.nn.init.normal_(model.model.amortizer.head.weight, std=0.8, generator=generator)
    return objective, model


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("annotation", [UniformPositive(), Ignorable()], ids=["uniform", "ignorable"])
@pytest.mark.parametrize("settings", [{}, {"at_least_one": False}, {"expected_labels": 1.0}], ids=["plain", "any", "stated"])
def test_it_is_the_collapsed_elbo(name: str, annotation, settings) -> None:
    """The program is traced, its bound worked out by the general sums: loss and gradient are the same."""
    space = SPACES[name]
    objective, model = attached(space, annotation, **settings)
    assert objective._one_positive is not None
    rows = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))[:17]
    known = objective._one_positive
    observed = torch.full((ROWS, space.num_labels), -1, dtype=torch.int8)
    observed[torch.arange(ROWS), torch.arange(ROWS) % space.num_labels] = 1
    inputs = torch.randn(17, 6, generator=torch.Generator().manual_seed(3))
    parameters = list(model.model.amortizer.head.parameters())
    loss = known.loss(model.model.amortizer.head(inputs), rows, observed[rows])
    assert loss is not None
    inner = model.model.amortizer.encoder
    model.model.amortizer.encoder = torch.nn.Identity()
    whole = model.elbo.differentiable_loss(model.model, model.guide, inputs, observed[rows]) / 17
    model.model.amortizer.encoder = inner
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5, abs=1e-6)
    for one, other in zip(torch.autograd.grad(loss, parameters), torch.autograd.grad(whole, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["free", "groups", "mixed"])
@pytest.mark.parametrize("terms", [{}, {"emptied": 0.95, "mass_weight": -0.75}, {"count_weight": 3.0, "expected": 2.0}])
@pytest.mark.parametrize("both", [False, True])
def test_its_gradient_is_that_of_finite_differences(name: str, terms: dict[str, float], both: bool) -> None:
    space = SPACES[name]
    if name == "groups" and "emptied" in terms:
        pytest.skip("a set is never empty there")
    terms = {**terms, **({"count_weight": 2.0, "expected": 1.3} if both else {})}
    groups = flat_groups(compile_forest(space))
    assert groups is not None
    groups = type(groups)(*(part.double() if part.is_floating_point() else part for part in groups))
    t = torch.tensor([0.05, 0.4, 0.9], dtype=torch.float64)
    all_terms = Terms((t - 1).unsqueeze(1), torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log(), **terms)
    labels = torch.arange(6).unsqueeze(1) % space.num_labels
    logits = torch.randn(6, space.num_logits, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def value(x: Tensor) -> Tensor:
        return PickedLogLikelihood.apply(x, groups.group[labels], groups.place[labels], groups, lambda rest: all_terms)

    assert torch.autograd.gradcheck(value, (logits,))


def test_a_second_derivative_is_refused() -> None:
    objective, _ = attached(SPACES["free"])
    logits = torch.zeros(3, 5, requires_grad=True)
    loss = objective(logits, torch.zeros(3, 5, dtype=torch.int8), index=torch.arange(3))
    with pytest.raises(RuntimeError, match="no second derivatives; use LabelVector.log_marginal"):
        torch.autograd.grad(loss, logits, create_graph=True)


@pytest.mark.parametrize("extreme", [60.0, 200.0, 1e4, math.inf])
def test_where_a_mass_underflows_the_general_sums_serve(extreme: float) -> None:
    space = SPACES["free"]
    objective, _ = attached(space, at_least_one=False)
    observed = torch.full((2, 5), -1, dtype=torch.int8)
    observed[[0, 1], [0, 1]] = 1
    logits = torch.tensor([[-extreme if extreme < math.inf else -90.0, extreme, 0.0, 0.0, 1.0], [0.0, 2.0, 1.0, 0.0, 0.0]])
    short = logits.clone().requires_grad_()
    whole = logits.clone().requires_grad_()
    one = objective.train()(short, observed, index=torch.arange(2))
    other = objective.eval()(whole, observed, index=torch.arange(2))
    one.backward(), other.backward()
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(short.grad, whole.grad, rtol=1e-4, atol=1e-5)


def test_nothing_finite_is_made_of_nan() -> None:
    objective, _ = attached(SPACES["free"])
    logits = torch.zeros(2, 5)
    logits[0, 1] = math.nan
    observed = torch.full((2, 5), -1, dtype=torch.int8)
    observed[:, 0] = 1
    assert not math.isfinite(objective.train()(logits, observed, index=torch.arange(2)).item())


@pytest.mark.parametrize("why", ["tree", "two", "none", "noise", "rates", "search", "mixture", "beta", "large"])
def test_what_asks_for_the_general_sums(why: str) -> None:
    space = SPACES["free"] if why != "large" else LabelSpace.free(f"l{k}" for k in range(MANY))
    if why == "tree":
        space = LabelSpace([Free("a"), Free("b", requires="a")])
    observed = torch.full((6, space.num_labels), -1, dtype=torch.int8)
    observed[:, 0] = 1
    if why in ("two", "none"):
        observed[3, :2] = {"two": 1, "none": -1}[why]
    annotations = {"noise": UniformPositive(noise=0.1), "rates": Scar(0.5), "search": PerLabelSearch()}
    settings = {"mixture": {"mixture": 2}, "beta": {"beta": 0.1}}
    with np.errstate(all="ignore"), pytest.warns(match="never known"):
        objective, _ = attached(space, annotations.get(why), observed, **settings.get(why, {}))
    assert objective._one_positive is None


@pytest.mark.filterwarnings("ignore:.*fewer than 5 training images")
@pytest.mark.parametrize("name", ["groups", "many free"])
def test_a_fit_comes_to_what_it_comes_to_by_the_general_sums(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space = SPACES[name]
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(300, 6, generator=generator)
    observed = torch.full((300, space.num_labels), -1, dtype=torch.int8)
    observed[torch.arange(300), torch.randint(space.num_labels, (300,), generator=generator)] = 1

    def fitted() -> np.ndarray:
        model = LatentLabels(space, encoder="embedding", epochs=3, learning_rate=0.01, expected_labels=2.5)
        return model.fit(inputs.numpy(), observed.numpy()).predict_proba(inputs.numpy())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnchorWarning)
        short = fitted()
        monkeypatch.setattr("latentlabels.objectives.collapsed.serves", lambda logits: False)
        whole = fitted()
    assert not np.array_equal(short, whole)  # else both are the same path
    np.testing.assert_allclose(short, whole, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*never known")
@pytest.mark.parametrize("name", ["free", "groups", "mixed"])
@pytest.mark.parametrize("settings", [{}, {"at_least_one": True}, {"expected_labels": 1.0}], ids=["plain", "some", "stated"])
def test_complete_images_among_the_others(name: str, settings: dict) -> None:
    """Loss and gradient of a batch with complete images, of one of them alone, and of the others alone."""
    space = SPACES[name]
    sets = torch.tensor([row for row in space.label_sets() if any(row)], dtype=torch.int8)
    observed = torch.full((ROWS, space.num_labels), -1, dtype=torch.int8)
    observed[torch.arange(ROWS), torch.arange(ROWS) % space.num_labels] = 1
    told = torch.arange(0, ROWS, 4)
    observed[told] = sets[torch.arange(len(told)) % len(sets)]
    observed[5, (5 % space.num_labels + 1) % space.num_labels] = 0  # known to be absent, beside the picked one
    objective, model = attached(space, observed=observed, **settings)
    q_head = model.model.amortizer.head
    assert objective._one_positive is not None and objective._one_positive.apart is not None
    for index in (torch.arange(ROWS), told[:3], torch.tensor([1, 2, 3, 5])):
        logits = torch.randn(len(index), q_head.out_features, generator=torch.Generator().manual_seed(2))
        found = []
        for short in (True, False):
            own = logits.clone().requires_grad_()
            objective.train(short)  # the general sums serve evaluation
            loss = objective(own, observed[index], None, index, None, None)
            loss.backward()
            found.append((loss.detach(), own.grad))
        torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)
