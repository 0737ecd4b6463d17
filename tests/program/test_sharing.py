"""One pass of the encoder for model and guide: right for temporaries, changes in place, modes, dropout and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from programs import SPACE, World
from pyro.infer import TraceEnum_ELBO
from torch import Tensor, nn

from latentlabels.program import Amortizer, CollapsedELBO, LabelGuide, LabelModel


class Counted(nn.Module):
    """A linear encoder that counts its passes."""

    def __init__(self, *after: nn.Module) -> None:
        super().__init__()
        self.net, self.passes = nn.Sequential(nn.Linear(4, 6), *after), 0

    def forward(self, images: Tensor) -> Tensor:
        self.passes += 1
        out: Tensor = self.net(images)
        return out


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    pyro.clear_param_store()
    with pyro.settings.context(module_local_params=True):
        yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def world() -> World:
    world = World()
    world.amortizer.encoder = Counted()
    return world


def passes(world: World) -> int:
    found: int = world.amortizer.encoder.passes
    world.amortizer.encoder.passes = 0
    return found


def test_a_step_takes_one_pass(world: World) -> None:
    CollapsedELBO().loss(world.model(), world.guide(), *world.args)
    assert passes(world) == 1
    CollapsedELBO().differentiable_loss(world.model(), world.guide(), *world.args).backward()
    assert passes(world) == 1
    CollapsedELBO(num_particles=3).loss(world.model(), world.guide(), *world.args)
    assert passes(world) == 3


def test_behind_a_lambda_too(world: World) -> None:
    model, guide = world.model(), world.guide()
    CollapsedELBO().loss(lambda *a: model(*a), lambda *a: guide(*a), *world.args)
    assert passes(world) == 1


def test_nothing_is_kept_from_one_step_to_the_next(world: World) -> None:
    model, guide = world.model(), world.guide()
    CollapsedELBO().loss(model, guide, *world.args)
    world.amortizer(world.images)
    CollapsedELBO().loss(model, guide, *world.args)
    assert passes(world) == 3


def test_two_amortizers_run_each_for_itself(world: World) -> None:
    other = World()
    other.amortizer.encoder = Counted()
    CollapsedELBO().loss(world.model(), LabelGuide(other.amortizer, other.how), *world.args)
    assert passes(world) == 1
    assert passes(other) == 1


class TestTheRightImages:
    """Within `once`, what comes out is what the images in hand give."""

    def check(self, world: World, images: Tensor) -> None:
        amortizer = world.amortizer
        fresh = amortizer.head(amortizer.encoder(images))
        torch.testing.assert_close(amortizer(images).logits.flatten(), fresh.flatten(), rtol=0, atol=0)
        torch.testing.assert_close(amortizer.features(images), amortizer.encoder(images), rtol=0, atol=0)

    def test_temporaries(self, world: World) -> None:
        with world.amortizer.once():
            for factor in range(50):  # the address of one is that of the next
                self.check(world, world.images * factor)

    def test_equal_temporaries_share_a_pass(self, world: World) -> None:
        with world.amortizer.once():
            first = world.amortizer(world.images * 2)
            assert world.amortizer(world.images * 2) is first
        assert passes(world) == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: x.add_(3.0),
            lambda x: x.data.add_(3.0),
            lambda x: x.numpy().__iadd__(3.0),
            lambda x: x.__setitem__((0, 0), 7.0),
            lambda x: x.view(-1)[:2].zero_(),
            lambda x: x.set_(torch.randn(5, 4)),
            lambda x: x.resize_(3, 4),
        ],
    )
    def test_changes_in_place(self, world: World, change: Callable[[Tensor], Any]) -> None:
        images = world.images.clone()
        with world.amortizer.once():
            self.check(world, images)
            change(images)
            self.check(world, images)

    def test_memory_that_numpy_shares(self, world: World) -> None:
        array = np.zeros((5, 4))
        images = torch.from_numpy(array)
        with world.amortizer.once():
            self.check(world, images)
            array[:] = 2.0
            self.check(world, images)

    def test_nan(self, world: World) -> None:
        images = world.images.clone()
        images[0, 0] = torch.nan
        with world.amortizer.once():
            assert world.amortizer(images).logits[0].isnan().all()
            assert world.amortizer(world.images).logits.isfinite().all()

    def test_images_with_gradients(self, world: World) -> None:
        """Equal numbers of two graphs are two inputs: each has its own gradient."""
        one, two = torch.ones(5, 4, requires_grad=True), torch.ones(5, 4, requires_grad=True)
        with world.amortizer.once():
            world.amortizer(one)
            world.amortizer(two).logits.sum().backward()
        assert one.grad is None
        assert two.grad is not None

    def test_a_program_that_changes_its_images(self, world: World) -> None:
        class Model(LabelModel):
            def forward(self, images: Tensor, observed: Tensor) -> Tensor:
                return super().forward(images.mul_(0.5), observed)

        model, guide = world.model(kind=Model), world.guide()
        images = world.images.clone()
        ours = CollapsedELBO().loss(model, guide, images, world.observed)
        images = world.images.clone()
        theirs = TraceEnum_ELBO(max_plate_nesting=1).loss(model, guide, images, world.observed)
        assert ours == pytest.approx(theirs)
        assert passes(world) == 5  # ours 2; of TraceEnum, the features are a pass of their own


class TestTheRightMode:
    """A pass is that of one mode, and of the weights as they are."""

    def test_grad_mode(self, world: World) -> None:
        amortizer = world.amortizer
        with amortizer.once():
            with torch.no_grad():
                assert not amortizer(world.images).logits.requires_grad
            assert amortizer(world.images).logits.requires_grad
            with torch.inference_mode():
                assert amortizer(world.images).logits.is_inference()
            assert not amortizer(world.images).logits.is_inference()

    def test_a_guide_without_gradients(self, world: World) -> None:
        class Guide(LabelGuide):
            def forward(self, images: Tensor, observed: Tensor) -> Tensor:
                with torch.no_grad():
                    return super().forward(images, observed)

        pair = world.model(), world.guide(Guide)
        found = []
        for elbo in (CollapsedELBO(), TraceEnum_ELBO(max_plate_nesting=1)):
            world.modules.zero_grad()
            elbo.differentiable_loss(*pair, *world.args).backward()
            found.append(world.amortizer.head.weight.grad.clone())
        torch.testing.assert_close(*found)

    def test_automatic_precision(self, world: World) -> None:
        amortizer = world.amortizer.float()
        images = world.images.float()
        with amortizer.once():
            wide = amortizer.features(images)
            with torch.autocast("cpu", torch.bfloat16):
                assert amortizer.features(images).dtype == torch.bfloat16
            assert amortizer.features(images).dtype == torch.float32
            assert amortizer.features(images) is wide

    def test_training_mode_of_any_part(self, world: World) -> None:
        world.amortizer.encoder = Counted(nn.Dropout(0.5))
        with world.amortizer.once():
            noisy = world.amortizer.features(world.images)
            world.amortizer.encoder.net[1].eval()
            assert (world.amortizer.features(world.images) != 0).all()
            assert (noisy == 0).any()

    def test_weights_that_change(self, world: World) -> None:
        amortizer = world.amortizer
        with amortizer.once(), torch.no_grad():
            before = amortizer(world.images).logits
            amortizer.head.bias.add_(1.0)
            torch.testing.assert_close(amortizer(world.images).logits, before + 1)
            amortizer.head = nn.Linear(6, SPACE.num_logits)
            assert not torch.allclose(amortizer(world.images).logits, before + 1)

    def test_results_that_are_changed(self, world: World) -> None:
        amortizer = world.amortizer
        with amortizer.once(), torch.no_grad():
            right = amortizer.features(world.images).clone()
            amortizer.features(world.images).detach().zero_()
            torch.testing.assert_close(amortizer.features(world.images), right)

    def test_frozen_encoders(self, world: World) -> None:
        world.amortizer.encoder.requires_grad_(False)
        pair = world.model(), world.guide()
        ours = CollapsedELBO().differentiable_loss(*pair, *world.args)
        theirs = TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss(*pair, *world.args)
        torch.testing.assert_close(ours, theirs)
        ours.backward()
        assert world.amortizer.head.weight.grad is not None
        assert world.amortizer.encoder.net[0].weight.grad is None

    def test_batch_normalisation_counts_a_step_once(self, world: World) -> None:
        world.amortizer.encoder = Counted(nn.BatchNorm1d(6))
        CollapsedELBO().loss(world.model(), world.guide(), *world.args)
        assert world.amortizer.encoder.net[1].num_batches_tracked == 1


def test_dropout_is_drawn_once_for_model_and_guide() -> None:
    """They speak of one network: so does TraceEnum_ELBO within `once`, draw by draw."""
    world = World()
    world.amortizer.encoder = Counted(nn.Dropout(0.5))
    pair = world.model(), world.guide()
    for seed in range(3):
        found = []
        for elbo in (CollapsedELBO(), TraceEnum_ELBO(max_plate_nesting=1)):
            torch.manual_seed(seed)
            world.modules.zero_grad()
            with world.amortizer.once():
                loss = elbo.differentiable_loss(*pair, *world.args)
            loss.backward()
            found.append((loss.detach(), world.amortizer.head.weight.grad.clone()))
        torch.testing.assert_close(found[0], found[1])


def test_threads_do_not_share() -> None:
    """Four threads evaluate one pair of programs on their own images, at once."""
    world = World()
    model, guide = LabelModel(world.amortizer, world.how), LabelGuide(world.amortizer, world.how)
    batches = [torch.randn(5, 4) for _ in range(4)]
    right = [-world.amortizer(x).log_marginal(world.observed, world.how).sum().item() for x in batches]
    wrong: list[float] = []
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        for _ in range(20):
            with world.amortizer.once():
                q = world.amortizer(batches[number])
                found = -q.log_marginal(world.observed, world.how).sum().item()
                if abs(found - right[number]) > 1e-9 or world.amortizer(batches[number]) is not q:
                    wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert CollapsedELBO().loss(model, guide, batches[0], world.observed) == pytest.approx(right[0])


def test_an_amortizer_can_be_copied_and_saved(tmp_path: Any) -> None:
    import copy
    import pickle

    world = World()
    with world.amortizer.once():
        world.amortizer(world.images)
        copied = copy.deepcopy(world.amortizer)
        assert isinstance(pickle.loads(pickle.dumps(world.amortizer)), Amortizer)
    torch.testing.assert_close(copied(world.images).logits, world.amortizer(world.images).logits)


def test_what_cannot_be_compared_is_worked_out_each_time(world: World) -> None:
    class Pair(nn.Module):
        def forward(self, parts: dict[str, Tensor]) -> Tensor:
            return parts["left"] + parts["right"]

    amortizer = Amortizer(SPACE, Pair(), 6)
    given = {"left": torch.randn(5, 6), "right": torch.randn(5, 6)}
    with amortizer.once():
        first = amortizer(given).logits
        given["left"] = given["left"] + 1
        assert not torch.equal(amortizer(given).logits, first)
    with world.amortizer.once():
        sparse = world.images.to_sparse()
        torch.testing.assert_close(world.amortizer.features(sparse), world.amortizer.features(world.images))
