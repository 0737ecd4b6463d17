"""The loop: a Lightning Trainer, early stopping on held-out known labels, the best weights kept."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from ..errors import ConfigError
from ..inputs.batches import Batches, Order
from .checkpoint import CheckpointWriter, load_checkpoint
from .module import LabelModule
from .stopping import Best, Held, Watch

_STEPS_AT_ONCE = 1024  # of embeddings, which takes away what Lightning does around each


@dataclass(frozen=True)
class LoopSettings:
    """How long and on what to train; see the `fit` section of a config.

    `stop` names what early stopping watches, see `Watch`; the best weights of the rules in `also` are kept as well, and
    the fit ends when none of them gets better.
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
    progress: bool = field(default_factory=lambda: sys.stderr.isatty())


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


def train(
    module: LabelModule,
    batches: Batches,
    observed: Tensor,
    truth: Tensor | None,
    rows: tuple[Tensor, Tensor],
    settings: LoopSettings,
    checkpoints: Path | None = None,
    resume: bool = False,
) -> TrainingResult:
    """Train `module` in place; it ends with the weights of the best epoch.

    Args:
        module: what is trained.
        batches: inputs of all N images.
        observed: (N, K) int8.
        truth: (N, K) int8 or None.
        rows: to train on, and held out (may be empty: then all epochs are run and the last is kept).
        settings: of the loop.
        checkpoints: a folder for the state after each epoch, or None.
        resume: go on from that state.
    """
    started = time.perf_counter()
    lightning.seed_everything(settings.seed, verbose=False)
    history: list[dict[str, Any]] = []
    done = 0
    state = load_checkpoint(checkpoints, module) if resume and checkpoints is not None else None
    if state is not None:
        history = state.history
        done = int(history[-1]["epoch"]) + 1
    module.first_epoch = done
    train_rows, held_rows = rows
    known_rows = held_rows[(observed[held_rows] != -1).any(-1)] if len(held_rows) else held_rows
    held_loader = batches.loader(known_rows, observed, truth, 4 * settings.batch_size) if len(known_rows) else None

    def held(trained: LabelModule) -> Held:
        marginals = predict_marginals(trained, batches, known_rows, 4 * settings.batch_size)
        return Held(observed[known_rows].numpy(), None if truth is None else truth[known_rows].numpy(), marginals)

    rules = (settings.stop, *(rule for rule in settings.also if rule != settings.stop))
    watch = Watch(module, rules, settings.patience, held if len(known_rows) else None, history, settings.progress)
    if state is not None:
        watch.take_over(state)
    callbacks: list[lightning.Callback] = [watch]
    moments = None if state is None else state.moments
    elsewhere = checkpoints is None and settings.strategy.endswith(("spawn", "fork", "notebook"))
    folder = Path(tempfile.mkdtemp()) if elsewhere else checkpoints
    if folder is not None:
        callbacks.append(CheckpointWriter(folder, history, lambda: watch.best.state, moments))
    if done < settings.epochs and not watch.exhausted:
        with _quiet():
            trainer = lightning.Trainer(
                max_epochs=settings.epochs - done,
                accelerator=settings.accelerator,
                devices=settings.devices,
                strategy=settings.strategy,
                callbacks=callbacks,
                logger=False,
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=settings.progress,
                num_sanity_val_steps=0,
            )
            if trainer.world_size > 1 and module.objective is not None and module.objective.keeps_images:
                raise ConfigError(
                    f'objective "{module.objective.name}" keeps something for each training image, which {trainer.world_size} '
                    "processes would not share; give fit.devices: 1"
                )
            # several processes take one step at a time, lest one waits for a step that another does not have
            order = Order(settings.seed, done, _STEPS_AT_ONCE if trainer.world_size == 1 else 1)
            loader = batches.loader(train_rows, observed, truth, settings.batch_size, order)
            trainer.fit(module, loader, held_loader)
        if folder is not None and len(history) == done and (end := load_checkpoint(folder, module)) is not None:
            # the epochs ran in processes of their own, whose words are in the checkpoint
            watch.take_over(end)
            history = end.history
        if elsewhere and folder is not None:
            shutil.rmtree(folder)
    module.cpu()
    module.load_state_dict(watch.best.state)
    module.eval()
    return TrainingResult(history, watch.best.epoch, watch.stopped, watch.kept, time.perf_counter() - started)


@torch.no_grad()
def predict_marginals(module: LabelModule, batches: Batches, rows: Tensor, batch_size: int) -> Any:
    """Posterior label probabilities of some rows: numpy (len(rows), K)."""
    was, device = module.training, module.device
    module.eval()
    parts = [module.amortizer(batches.inputs(part).to(device)).marginals.cpu() for part in rows.split(batch_size)]
    module.train(was)
    return torch.cat(parts).numpy()


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's hints are for those who call it; ours has no logger and reads arrays by intention."""
    loggers = [
        logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
            warnings.filterwarnings("ignore", message="Found .* module\\(s\\) in eval mode.*")
            warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
            warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no `val_dataloader`.*")
            warnings.filterwarnings("ignore", message=".*number of training batches.*is smaller than the logging interval.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
