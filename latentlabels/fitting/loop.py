"""The loop: epochs on one device or in several processes, early stopping on held-out known labels, the best weights kept.

Lightning's `Fabric` finds devices, starts processes and adds up their gradients; the loop itself is ours
(docs/architecture.md says why). Every epoch seeds the random numbers that it draws from the fit's seed and its own number, so
that a fit that is resumed is the fit that was not interrupted.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from ..annotation.asked import without_asking
from ..inputs.batches import Batch, Batches, Order, Steps
from ..inputs.known_rows import LabelRows, blocks_of
from ..progress import Phase, Step, handed, line, phase, shown_here, silent
from .averaging import WeightAverage
from .batchwise import predict_marginals
from .checkpoint import load_checkpoint, restore, stored_identity, write_checkpoint
from .consistency import AVERAGED_EPOCHS, RAMP_EPOCHS, Teacher, check_consistency
from .fabric import mean_of_all, opened_fabric, seed_epoch, share_statistics, unshare
from .identity import refuse_other
from .module import LabelModule
from .schedule import schedule_named
from .stepper import Stepper
from .stopping import Best, EpochValues, Held, Watch, in_one_line, rules_named

_STEPS_AT_ONCE = 1024  # batches of embeddings that are handed over at once


@dataclass(frozen=True)
class LoopSettings:
    """How long and on what to train; see the `fit` section of a config.

    `stop` names what early stopping watches, see `RULES`; the best weights of the rules in `also` are kept as well, and
    the fit ends when none of them gets better, unless its schedule needs all epochs. With `average` above 0 the weights that
    are measured and kept are averages over about as many epochs. With `consistency` above 0 the averaged network teaches.
    """

    epochs: int
    batch_size: int
    patience: int
    seed: int
    accelerator: str = "auto"
    devices: Any = "auto"
    strategy: str = "auto"
    stop: str = "likelihood"
    also: tuple[str, ...] = ()
    average: float = 0.0
    schedule: str = "constant"
    consistency: float = 0.0


@dataclass(frozen=True)
class TrainingResult:
    """What a fit went through.

    Attributes:
        history: a dict per epoch.
        best_epoch: the epoch whose weights were kept, from 0.
        stopped_early: whether early stopping ended the fit.
        kept: the best epoch of each rule.
        seconds: of wall time, start-up included.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    stopped_early: bool
    kept: dict[str, Best]
    seconds: float


@dataclass(frozen=True)
class TrainingData:
    """What is trained on.

    Attributes:
        batches: inputs of all N images.
        observed: (N, K) int8, by rows.
        truth: (N, K) int8 or None.
        train: (n,) rows to train on.
        held: (h,) held-out rows with known labels; if empty, all epochs are run and the last one is kept.
    """

    batches: Batches
    observed: LabelRows
    truth: Tensor | None
    train: Tensor
    held: Tensor


def train(
    module: LabelModule,
    batches: Batches,
    observed: LabelRows,
    truth: Tensor | None,
    rows: tuple[Tensor, Tensor],
    settings: LoopSettings,
    checkpoints: Path | None = None,
    resume: bool = False,
    identity: Mapping[str, str] | None = None,
) -> TrainingResult:
    """Train `module` in place; it ends with the weights of the best epoch.

    Args:
        module: what is trained.
        batches: inputs of all N images.
        observed: (N, K) int8, by rows.
        truth: (N, K) int8 or None.
        rows: to train on, and held out.
        settings: of the loop.
        checkpoints: a folder for the state after each epoch, or None.
        resume: go on from that state.
        identity: what the fit is begun with, see `identity_of`: a resumed fit has to be begun with the same.

    Raises:
        RunError: a checkpoint that is damaged, or of another fit.
        ConfigError: a rule or strategy that does not go with the objective or the data.
        FloatingPointError: a value that is not finite.
        KeyboardInterrupt: passed on; the checkpoint is that of the last complete epoch.
    """
    started = time.perf_counter()
    if resume and checkpoints is not None and (begun := stored_identity(checkpoints)) is not None:
        refuse_other(checkpoints, begun, identity or {})
    known = rows[1][torch.cat([(block != -1).any(-1) for block in blocks_of(observed, rows[1])])]
    data = TrainingData(batches, observed, truth, rows[0], known)
    rules = rules_named((settings.stop, *settings.also))
    ramp = module.objective.ramp_epochs
    if settings.consistency:
        check_consistency(settings.consistency, module.objective, module.model, batches)
        ramp = max(ramp, RAMP_EPOCHS)
    patience = settings.epochs if schedule_named(settings.schedule).spans_fit else settings.patience
    watch = Watch(rules, patience, ramp, _copied(module))
    with ExitStack() as stack:
        where = settings.accelerator, settings.devices, settings.strategy
        fabric = stack.enter_context(opened_fabric(*where, module.objective))
        folder = checkpoints
        if folder is None and fabric.strategy.launcher is not None:  # other processes say by file what they came to
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loop = _Loop(module, data, settings, watch, folder, dict(identity or {}), resume and checkpoints is not None)
        loop.launched = fabric.strategy.launcher is not None
        with silent() if loop.launched else nullcontext():
            number = fabric.launch(loop.run)
        if number != os.getpid() and folder is not None:
            state = load_checkpoint(folder)
            assert state is not None  # the processes have ended well, and there is an epoch at least
            watch.take_over(state.history, state.kept)
    module.cpu()
    module.load_state_dict(watch.best.state)
    module.eval()
    seconds = time.perf_counter() - started
    return TrainingResult(watch.history, watch.best.epoch, watch.exhausted, watch.kept, seconds)


class _Loop:
    """All that a process needs to train; it is pickled where processes are spawned."""

    def __init__(
        self,
        module: LabelModule,
        data: TrainingData,
        settings: LoopSettings,
        watch: Watch,
        folder: Path | None,
        identity: dict[str, str],
        resume: bool,
    ):
        self.module, self.data, self.settings, self.watch = module, data, settings, watch
        self.folder, self.identity, self.resume = folder, identity, resume
        self.handed, self.launched = handed(), False

    def run(self, fabric: Fabric) -> int:
        """Train, in the process that this is called in; its number."""
        with self._shown(fabric):
            return self._run(fabric)

    def _shown(self, fabric: Fabric) -> AbstractContextManager[None]:
        """How far it is, shown by the first of the processes: this one, or one that was started for the fit."""
        if not self.launched or self.handed is None:
            return nullcontext()
        if multiprocessing.parent_process() is None:
            return shown_here()
        return self.handed.taken() if fabric.is_global_zero else nullcontext()

    def _run(self, fabric: Fabric) -> int:
        module, watch, settings, started = self.module, self.watch, self.settings, time.perf_counter()
        unshare(module)
        module.to(fabric.device)
        optimizer = module.optimizer()
        average = self._average(fabric)
        state = load_checkpoint(self.folder) if self.resume and self.folder is not None else None
        if state is not None:
            watch.take_over(state.history, state.kept)
            restore(state, module, optimizer, average)
            started -= float(watch.history[-1]["seconds"])
        stepper = Stepper(fabric, module, optimizer, schedule_named(settings.schedule), average)
        share = self._share(fabric)
        with phase(Phase.TRAINING, "training", share * settings.epochs, share * watch.next_epoch) as step:
            while watch.next_epoch < settings.epochs and not watch.exhausted:
                row = self._epoch(fabric, stepper, average, started, step)
                if not fabric.is_global_zero:
                    continue
                line(in_one_line(row, settings.epochs))
                if self.folder is not None:
                    write_checkpoint(self.folder, module, optimizer, watch, self.identity, average)
        module.teacher = None
        fabric.barrier()
        if multiprocessing.parent_process() is not None and torch.distributed.is_initialized():
            # a process that was started for the fit ends next: with threads of the group still there, it may end by an abort
            torch.distributed.destroy_process_group()
        return os.getpid()

    def _epoch(
        self, fabric: Fabric, stepper: Stepper, average: WeightAverage | None, started: float, step: Step
    ) -> dict[str, Any]:
        """One epoch; its row of the history."""
        watch, settings, module = self.watch, self.settings, self.module
        epoch = watch.next_epoch
        step.stage(f"epoch {epoch + 1} of {settings.epochs}")
        seed_epoch(settings.seed, epoch, fabric.global_rank)
        trained = self._train(fabric, epoch, stepper, step)
        if average is not None and fabric.world_size > 1:
            share_statistics(fabric, average)
        with average.in_place() if average is not None and settings.average else nullcontext():
            values = EpochValues(trained, *self._evaluate(fabric))
            held = self._held(fabric) if watch.reads_labels and len(self.data.held) else None
            return watch.after_epoch(values, held, time.perf_counter() - started, lambda: _copied(module))

    def _average(self, fabric: Fabric) -> WeightAverage | None:
        """The average of the weights, where it is measured or teaches."""
        settings = self.settings
        reach = settings.average or (AVERAGED_EPOCHS if settings.consistency else 0.0)
        if not reach:
            return None
        average = WeightAverage(self.module.model, reach, -(-self._share(fabric) // settings.batch_size))
        if settings.consistency:
            self.module.teacher = Teacher(average, settings.consistency)
        return average

    def _share(self, fabric: Fabric) -> int:
        """How many images a process trains on in an epoch."""
        return -(-len(self.data.train) // fabric.world_size)

    def _train(self, fabric: Fabric, epoch: int, stepper: Stepper, step: Step) -> float | None:
        """One epoch; the mean value of what was trained on."""
        objective = self.module.objective
        if objective.looks_at_all(epoch):
            size = 4 * self.settings.batch_size
            found = predict_marginals(self.module, self.data.batches, self.data.train, size, fabric.device)
            objective.look(torch.from_numpy(found))
        self.module.train()
        objective.on_epoch(epoch)
        total, seen = torch.zeros((), device=fabric.device), 0
        share, whole = self._share(fabric), self.settings.epochs
        for batch in self._batches_of(fabric, epoch):
            loss = stepper.take(batch, (epoch + (seen + len(batch.index) / 2) / share) / whole)
            total.sub_(loss, alpha=len(batch.index))
            seen += len(batch.index)
            step(len(batch.index))
        return mean_of_all(fabric, total, seen)

    def _batches_of(self, fabric: Fabric, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, of this process; each process has as many."""
        data, rows, ranks = self.data, self.data.train, fabric.world_size
        if ranks > 1:
            generator = torch.Generator().manual_seed(self.settings.seed * 100_003 + epoch)
            rows = rows[torch.randperm(len(rows), generator=generator)]
            rows = torch.cat([rows, rows[: -len(rows) % ranks]])[fabric.global_rank :: ranks]
        order = Order(self.settings.seed, epoch, _STEPS_AT_ONCE, self.settings.consistency > 0)
        loader = data.batches.loader(rows, data.observed, data.truth, self.settings.batch_size, order)
        yield from _on(fabric.device, loader)

    @torch.no_grad()
    def _evaluate(self, fabric: Fabric) -> tuple[float | None, float | None]:
        """The objective's value, and the expected number of labels, on held-out images."""
        data = self.data
        rows = data.held[fabric.global_rank :: fabric.world_size]
        if not len(data.held):
            return None, None
        self.module.eval()
        value, count = torch.zeros((), device=fabric.device), torch.zeros((), device=fabric.device)
        counted = False
        for batch in _on(fabric.device, data.batches.loader(rows, data.observed, data.truth, 4 * self.settings.batch_size)):
            found, size = self.module.held_out(batch), len(batch.index)
            value.add_(found.value, alpha=size)
            if found.count is not None:
                count.add_(found.count, alpha=size)
                counted = True
        mean = mean_of_all(fabric, value, len(rows))
        return mean, mean_of_all(fabric, count, len(rows)) if counted else None

    def _held(self, fabric: Fabric) -> Held:
        """Held-out labels and their probabilities, in every process."""
        data, rows = self.data, self.data.held
        marginals = predict_marginals(self.module, data.batches, rows, 4 * self.settings.batch_size, fabric.device)
        return Held(
            without_asking(data.observed[rows]).numpy(), None if data.truth is None else data.truth[rows].numpy(), marginals
        )


def _on(device: torch.device, loader: Any) -> Iterator[Batch]:
    """Single batches of a loader, on a device."""
    away = device.type != "cpu"
    for item in loader:
        for batch in item if isinstance(item, Steps) else (Batch(*item),):
            yield batch.to(device) if away else batch


def _copied(module: LabelModule) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}
