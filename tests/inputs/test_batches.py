"""Batches: every row once an epoch, with what belongs to it; orders that depend on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from latentlabels.inputs.batches import Batch, Batches, InMemory, Order, Steps, Streamed
from latentlabels.kind import Kind

N, K = 23, 4
EMBEDDINGS = torch.arange(N, dtype=torch.float32).view(N, 1) * torch.tensor([1.0, 10.0])
IMAGES = torch.arange(N, dtype=torch.uint8).view(N, 1, 1, 1).expand(N, 3, 2, 5).contiguous()
OBSERVED = torch.arange(N * K, dtype=torch.int8).view(N, K)  # any numbers: whose they are is what counts
TRUTH = 1 - OBSERVED


class Pictures(Dataset[Tensor]):
    """Row i is a picture of the grey level i."""

    def __init__(self, make: Callable[[int], Any] = lambda row: IMAGES[row], length: int = N):
        self.make, self.length = make, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, row: int) -> Any:
        return self.make(row)


SOURCES: dict[str, Callable[[], Batches]] = {
    "embeddings": lambda: InMemory(EMBEDDINGS),
    "images": lambda: InMemory(IMAGES),
    "streamed": lambda: Streamed(Pictures()),
}


def parts(source: Batches, rows: Tensor, size: int, order: Order | None = None, truth: Tensor | None = TRUTH) -> list[Batch]:
    """One epoch, in batches of the size that was asked for."""
    loader = source.loader(rows, OBSERVED, truth, size, order)
    return [part for item in loader for part in (item if isinstance(item, Steps) else [Batch(*item)])]


def epoch(loader: Any) -> list[int]:
    return [int(row) for batch in loader for row in Batch(*batch).index]


def level(source: Batches, batch: Batch) -> Tensor:
    """The row that the inputs themselves tell of."""
    return batch.inputs[:, 0] if source.kind is Kind.EMBEDDINGS else (batch.inputs[:, 0, 0, 0] * 255).round()


# --- rows and what belongs to them ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("order", [None, Order(0), Order(7, epoch=3, steps=4)])
@pytest.mark.parametrize("size", [1, 5, 22, 23, 100])
def test_every_row_once_an_epoch_with_what_belongs_to_it(kind: str, order: Order | None, size: int) -> None:
    source = SOURCES[kind]()
    rows = torch.tensor([row for row in range(N) if row % 3])  # some are held out
    found = parts(source, rows, size, order)
    index = torch.cat([batch.index for batch in found])
    assert sorted(index.tolist()) == rows.tolist()
    assert (index.tolist() == rows.tolist()) == (order is None)
    for batch in found:
        assert torch.equal(batch.observed, OBSERVED[batch.index])
        assert batch.truth is not None
        assert torch.equal(batch.truth, TRUTH[batch.index])
        assert torch.equal(level(source, batch), batch.index.float())
        assert batch.inputs.dtype == torch.float32
    full, rest = divmod(len(rows), size)
    assert [len(batch.index) for batch in found] == [size] * full + [rest] * (rest > 0)


@pytest.mark.parametrize("kind", SOURCES)
def test_the_number_of_batches_is_known_beforehand(kind: str) -> None:
    for rows, size in ((23, 5), (20, 5), (3, 5), (1, 1)):
        loader = SOURCES[kind]().loader(torch.arange(rows), OBSERVED, None, size, Order(0))
        assert len(loader) == len(list(loader)) == -(-rows // size)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("order", [None, Order(0)])
def test_no_rows_are_no_batches(kind: str, order: Order | None) -> None:
    loader = SOURCES[kind]().loader(torch.arange(0), OBSERVED, None, 5, order)
    assert len(loader) == len(list(loader)) == 0


@pytest.mark.parametrize("kind", SOURCES)
def test_without_truth_there_is_none(kind: str) -> None:
    found = parts(SOURCES[kind](), torch.arange(N), 5, Order(0, steps=3), truth=None)
    assert [batch.truth for batch in found] == [None] * 5
    assert torch.cat([batch.index for batch in found]).sort().values.tolist() == list(range(N))


def test_several_steps_of_embeddings_come_at_once() -> None:
    loader = InMemory(EMBEDDINGS).loader(torch.arange(N), OBSERVED, TRUTH, 5, Order(0, steps=3))
    found = list(loader)
    assert all(isinstance(item, Steps) for item in found)
    assert [[len(batch.index) for batch in item] for item in found] == [[5, 5, 5], [5, 3]]


def test_steps_at_once_are_those_one_by_one() -> None:
    at_once = parts(InMemory(EMBEDDINGS), torch.arange(N), 5, Order(0, steps=3))
    one_by_one = parts(InMemory(EMBEDDINGS), torch.arange(N), 5, Order(0))
    assert [batch.index.tolist() for batch in at_once] == [batch.index.tolist() for batch in one_by_one]


def test_images_come_one_step_at_a_time() -> None:
    images = torch.zeros(N, 3, 4, 4, dtype=torch.uint8)
    assert not any(
        isinstance(item, Steps) for item in InMemory(images).loader(torch.arange(N), OBSERVED, None, 5, Order(0, steps=3))
    )


def test_the_last_image_is_not_left_alone() -> None:
    """Batch normalisation cannot train on one."""
    images = torch.zeros(N, 3, 4, 4, dtype=torch.uint8)
    sizes = [len(batch.index) for batch in parts(InMemory(images), torch.arange(11), 5, Order(0))]
    assert sizes == [5, 6]
    assert [len(batch.index) for batch in parts(InMemory(images), torch.arange(11), 5)] == [5, 5, 1]


# --- orders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SOURCES)
def test_an_order_depends_on_seed_and_epoch_alone(kind: str) -> None:
    def orders(order: Order, epochs: int) -> list[list[int]]:
        loader = SOURCES[kind]().loader(torch.arange(N), OBSERVED, None, 5, order)
        return [epoch(loader) for _ in range(epochs)]

    first = orders(Order(3), 3)
    torch.manual_seed(99)  # nobody else's random numbers matter
    assert orders(Order(3), 3) == first
    assert len({tuple(order) for order in first}) == 3
    assert orders(Order(4), 1)[0] not in first
    assert orders(Order(3, epoch=2), 1) == first[2:]  # a resumed fit goes on as if it had never stopped
    assert all(sorted(order) == list(range(N)) for order in first)


@pytest.mark.parametrize("kind", SOURCES)
def test_without_an_order_rows_come_as_they_are_each_time(kind: str) -> None:
    rows = torch.tensor([5, 2, 22, 0])
    loader = SOURCES[kind]().loader(rows, OBSERVED, None, 3)
    assert [epoch(loader), epoch(loader)] == [[5, 2, 22, 0]] * 2


def test_all_orders_of_three_rows_are_as_frequent() -> None:
    loader = InMemory(EMBEDDINGS).loader(torch.arange(3), OBSERVED, None, 3, Order(0))
    found = [tuple(epoch(loader)) for _ in range(600)]
    counts = [found.count(one) for one in set(found)]
    assert len(counts) == 6
    assert sum((count - 100) ** 2 / 100 for count in counts) < 30  # chi-square, 5 degrees of freedom: p < 2e-5


# --- inputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.uint8, torch.int64])
def test_inputs_are_float_and_the_same_in_batches(dtype: torch.dtype) -> None:
    source = InMemory(EMBEDDINGS.to(dtype)[:20])
    rows = torch.tensor([3, 1, 19])
    scale = 255 if dtype == torch.uint8 else 1
    assert torch.allclose(source.inputs(rows), EMBEDDINGS[rows] / scale)
    assert source.inputs(rows).dtype == torch.float32
    (batch,) = parts(source, rows, 3)
    assert batch.inputs.dtype == torch.float32
    assert torch.equal(batch.inputs, source.inputs(rows))


@pytest.mark.parametrize("kind", ["images", "streamed"])
def test_images_are_in_0_to_1(kind: str) -> None:
    source = SOURCES[kind]()
    assert source.kind is Kind.IMAGES
    assert len(source) == N
    rows = torch.tensor([0, 22])
    assert torch.equal(source.inputs(rows), IMAGES[rows].float() / 255)
    assert torch.equal(parts(source, rows, 2)[0].inputs, source.inputs(rows))


def test_the_images_in_memory_are_not_written_to() -> None:
    source = InMemory(IMAGES.clone())
    parts(source, torch.arange(N), 4, Order(0))
    source.inputs(torch.arange(N)).add_(1)
    assert torch.equal(source.values, IMAGES)


# --- augmentation in memory -------------------------------------------------------------------------------------


def coordinates(height: int, width: int) -> Tensor:
    """A picture whose red tells the column, and whose green the row, of each pixel."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows, torch.zeros_like(rows)]).to(torch.uint8)


def test_training_mirrors_half_of_the_images_and_shifts_all_a_little() -> None:
    height, width, count = 32, 64, 1000
    pictures = coordinates(height, width).expand(count, 3, height, width).contiguous()
    known = torch.zeros(count, K, dtype=torch.int8)
    torch.manual_seed(0)
    mirrored, ups, lefts = 0, set(), set()
    for batch in InMemory(pictures).loader(torch.arange(count), known, None, 10, Order(0)):
        seen = (Batch(*batch).inputs * 255).round().int()
        assert seen.shape == (10, 3, height, width)
        for picture in seen:
            flipped = bool(picture[0, 0, 0] > picture[0, 0, -1])
            mirrored += flipped
            straight = picture[0].flip(-1) if flipped else picture[0]
            right = int(straight[0, width // 2]) - width // 2
            down = int(picture[1, height // 2, 0]) - height // 2
            # what was shifted in repeats the border
            assert torch.equal(straight[0], (torch.arange(width) + right).clamp(0, width - 1).int())
            assert torch.equal(picture[1, :, 0], (torch.arange(height) + down).clamp(0, height - 1).int())
            ups.add(down)
            lefts.add(-right if flipped else right)
    assert 400 < mirrored < 600
    assert ups == set(range(-2, 3))
    assert lefts == set(range(-4, 5))


def test_what_is_held_out_is_not_augmented() -> None:
    pictures = coordinates(32, 32).expand(20, 3, 32, 32).contiguous()
    known = torch.zeros(20, K, dtype=torch.int8)
    for batch in InMemory(pictures).loader(torch.arange(20), known, None, 7):
        assert torch.equal(Batch(*batch).inputs * 255, pictures[Batch(*batch).index].float())


def test_embeddings_are_never_augmented() -> None:
    torch.manual_seed(0)
    for batch in parts(InMemory(EMBEDDINGS), torch.arange(N), 6, Order(0)):
        assert torch.equal(batch.inputs, EMBEDDINGS[batch.index])


# --- pictures that are read as training goes --------------------------------------------------------------------


def test_augmentation_is_the_same_for_pictures_in_memory_and_streamed() -> None:
    pictures = coordinates(32, 48).expand(N, 3, 32, 48).contiguous()
    order = Order(3, epoch=2)
    memory, streamed = (parts(source, torch.arange(N), 5, order) for source in (
        InMemory(pictures), Streamed(Pictures(lambda row: pictures[row])))
    )  # fmt: skip
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(memory, streamed, strict=True))
    assert not torch.equal(memory[0].inputs * 255, pictures[memory[0].index].float())


def test_augmentation_depends_on_seed_epoch_and_batch_alone() -> None:
    """So that a resumed fit sees what an uninterrupted one would have seen."""
    source = InMemory(coordinates(32, 48).expand(N, 3, 32, 48).contiguous())
    loader = source.loader(torch.arange(N), OBSERVED, None, 5, Order(0))
    epochs = [[Batch(*batch).inputs for batch in loader] for _ in range(2)]
    torch.manual_seed(99)
    again = parts(source, torch.arange(N), 5, Order(0, epoch=1))
    assert all(torch.equal(a, b.inputs) for a, b in zip(epochs[1], again, strict=True))
    assert not torch.equal(epochs[0][0], epochs[1][0])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_second_view_is_another_one_of_the_same_pictures_and_leaves_the_first_alone(streamed: bool) -> None:
    pictures = coordinates(32, 48).repeat(N, 1, 1, 1)
    pictures[:, 2] = torch.arange(N).view(-1, 1, 1)  # blue tells the picture
    source = Streamed(Pictures(lambda row: pictures[row]), workers=1) if streamed else InMemory(pictures)
    order = Order(3, epoch=2)
    one, two = (parts(source, torch.arange(N), 5, order._replace(two_views=views)) for views in (False, True))
    for alone, both in zip(one, two, strict=True):
        assert alone.other is None and both.other is not None
        assert torch.equal(alone.inputs, both.inputs)
        assert both.other.shape == both.inputs.shape
        assert torch.equal(both.other[:, 2], both.inputs[:, 2])
    assert any(not torch.equal(both.other, both.inputs) for both in two if both.other is not None)
    assert all(batch.other is None for batch in parts(source, torch.arange(N), 5))


@pytest.mark.parametrize("streamed", [False, True])
def test_augmentation_can_be_switched_off(streamed: bool) -> None:
    pictures = coordinates(32, 48).expand(N, 3, 32, 48).contiguous()
    source = Streamed(Pictures(lambda row: pictures[row]), augment=False) if streamed else InMemory(pictures, augment=False)
    for batch in parts(source, torch.arange(N), 5, Order(0)):
        assert torch.equal((batch.inputs * 255).round(), pictures[batch.index].float())


@pytest.mark.parametrize("kind", SOURCES)
def test_some_of_the_inputs(kind: str) -> None:
    source = SOURCES[kind]()
    some = source.take([5, 2, 22])
    assert len(some) == 3
    assert some.kind is source.kind
    assert torch.equal(some.inputs(torch.arange(3)), source.inputs(torch.tensor([5, 2, 22])))
    assert torch.equal(some.take([2, 0]).inputs(torch.arange(2)), source.inputs(torch.tensor([22, 5])))


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # Python 3.12 and later, of torch's workers
def test_workers_give_the_same_batches() -> None:
    rows = torch.arange(9)
    alone = parts(Streamed(Pictures()), rows, 4, Order(1))
    helped = parts(Streamed(Pictures(grey), workers=1), rows, 4, Order(1))
    assert [batch.index.tolist() for batch in helped] == [batch.index.tolist() for batch in alone]
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(helped, alone, strict=True))


def grey(row: int) -> Tensor:  # where workers find it, however they are started
    return IMAGES[row]
