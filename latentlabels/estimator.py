"""`LatentLabels`: fit label probabilities from partly known labels, and ask for posteriors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import Tensor

from . import objectives
from .annotation import Annotation, UniformPositive
from .annotation import from_config as read_annotation
from .annotation.learned import Learned
from .annotation.learning import learn
from .checks import fit_warnings
from .checks.diagnostics import diagnose
from .config import DataConfig, FitConfig, ModelConfig
from .config.sections import refused_numbers
from .decisions import MODE, Aim, Decisions, Thresholds
from .errors import AnchorWarning, ConfigError, DataError, DataWarning, RunError, nearest
from .fitting import Best, HeadPolicy, LabelModule, LoopSettings, TrainingResult, build_program, decide_head, train
from .fitting.build import (
    CHOSEN,
    Earlier,
    features_of,
    features_once,
    flat_logits,
    label_vector,
    settle,
    wanted_by,
    warn_of_start,
)
from .fitting.calibrating import By, calibrated
from .fitting.checkpoint import begun_with
from .fitting.fitted import Fitted
from .fitting.held_out import hold_out, warn_of_rare
from .fitting.names import names_found, show_names
from .fitting.places import Places
from .fitting.reference import decided, load_kept
from .fitting.run_folder import Run, environment, hash_data, read_run, write_run
from .fitting.schedule import schedule_named
from .fitting.stated_split import with_statements
from .fitting.warm_start import (
    TRAINED_BEFORE,
    as_before,
    check_same_encoder,
    has_scale,
    labels_read,
    take_over,
    wanted_after,
)
from .inputs import (
    InputBlock,
    InputParts,
    Inputs,
    InputStream,
    Levels,
    PixelFormat,
    Reading,
    Wanted,
    as_size,
    kind_given,
    open_stream,
    read_inputs,
)  # fmt: skip
from .inputs.batches import Batches
from .inputs.known_rows import label_rows
from .inputs.merging import with_copies_merged
from .kind import AUTO, Kind, kind_of
from .observed import Observed, Tree
from .observed.options import ReadOptions
from .posterior import Guarantee, Posterior
from .program import CollapsedELBO, LabelGuide, LabelModel, RegionHead
from .program.starting_point import Anchor, derive_prior
from .providers import provided
from .space import LabelSpace

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from .inputs.alignment import Labels
    from .inputs.given import Images

_M, _F = ModelConfig(), FitConfig()
_LATER = ("average", "schedule", "consistency")


class LatentLabels(BaseEstimator):
    """Learns p(y | x) over K labels from images with few known labels each.

    Args:
        space: the label space.
        annotation: how the known labels came about; `UniformPositive` if not given.
        encoder: the name of an encoder (see `latentlabels.encoders`), "tiny", or "embedding" for arrays (N, D). "auto": for
            images the best published encoder at hand, for embeddings "embedding".
        weights: of the encoder: the name of published weights ("DEFAULT"), a local file or folder, or None for random ones.
            "auto": the published ones where they are on this machine, without a network, else random ones.
        frozen: train only the head, on features that are computed once and kept on disk. None: where the weights are
            published and there is no accelerator.
        image_size: size in pixels that all images are resized to, one number or (height, width). None: arrays, and Datasets
            with pictures of one size, keep their own size; files take the size of the encoder's weights, mostly 224. Images
            given after the fit are resized to the size of the fit.
        expected_labels: the average number of labels of an image, if you know it; the fit is then held at it. None: derive
            it from the known labels if a group is exhaustive, otherwise start at 1.5 times the known labels per image.
        mixture: M, components of p(y | x); more than one lets labels depend on each other given the image.
        beta: weight in [0, 1] of the generative side: label prior and feature decoder. 0: p(y | x) alone.
        objective: "collapsed", the one of this package, or the name of a published loss for comparison.
        at_least_one: assume that every image has at least one label. None: decide from the training table.
        start: how the head is initialised: "prior", at the prevalences that the known labels imply, or "own", at random.
        windows: whether features are the mean over two square windows of a picture, one at each end, which distort nothing
            and leave nothing out. None: where encoder "auto" has chosen one that is not trained.
        regions: whether a label's logit adds the place that shows it best, so that `Posterior.where` says where it is.
        names: whether the encoder's text side, as CLIP has one, says what each label's name looks like.
        prompts: what is said of a label, with {} for its name: a list of texts, or one for each label. None: a usual one.
        epochs: the most epochs to train.
        batch_size: images per step.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        held_out: share of images held out, on which early stopping measures log p(known labels).
        patience: epochs without improvement before the fit stops.
        stop: the stopping rule: "auto", "likelihood", "known-map" (mAP against held-out known labels), "none".
        average: over how many epochs the weights are averaged that are measured and kept; 0 for those of the last step.
        schedule: of the learning rate: "constant", or "cosine" for a rise in the first twentieth of the epochs and a fall to 0
            until the last; then all epochs are run.
        consistency: weight of learning from another view of each picture: the target is the posterior of all labels given the
            known ones, by the averaged weights. 0 for none. It needs objective "collapsed", an encoder that is trained, and
            `augment`.
        seed: of the split, the initialisation and the order.
        accelerator: of Lightning: "auto", "cpu", "gpu".
        devices: of Lightning.
        strategy: of Lightning: "auto", "ddp", ...
        workers: processes that read images which do not fit into memory.
        augment: whether training images are mirrored and shifted a little at random, be they files, arrays or Datasets; or
            "strong": they are mirrored, cropped to 60 to 100 % of their area, made lighter or darker by up to a fifth, and some
            are partly covered. Features of a frozen encoder and embeddings are never changed.
        init_from: a run folder to begin with: its encoder, and its head for the labels that both have. With ``frozen=False``
            its encoder is trained on, at a tenth of the learning rate.
        runtime: what computes the features of a frozen encoder: "torch", "openvino", "onnx", or "auto" for the fastest here.
        cache: a folder for features that are computed once, "none" to keep none. None: the usual folder of this machine.
        white: the value of white in images with more than 8 bits, for example 4095 for 12 bits; 0 is black. It holds for images
            with 8 bits too, if it is below 255 and none has more. None: see it from the bits in use by all images of the fit.
            `Inputs` bring their own.

    `fit` changes none of these: `space` stays None where it was None, and ``space_`` is the label space that was fitted.
    A fit stores its result in ``fitted_`` (`Fitted`). These attributes read from it: ``model``, ``guide``, ``elbo`` (the Pyro
    program), ``space_``, ``annotation_``, ``names_``, ``history_`` (a dict per epoch), ``diagnostics_``, ``anchor_``
    (prevalences before training), ``kept_`` (the best epoch of each rule that was watched), ``thresholds_``, ``decisions_``.
    """

    fitted_: Fitted

    def __init__(
        self,
        space: LabelSpace | None = None,
        annotation: Annotation | None = None,
        encoder: str = _M.encoder,
        *,
        weights: str | None = _M.weights,
        frozen: bool | None = _M.frozen,
        image_size: int | Sequence[int] | None = _M.image_size,
        expected_labels: float | None = _M.expected_labels,
        mixture: int = _M.mixture,
        beta: float = _M.beta,
        objective: str = _M.objective,
        at_least_one: bool | None = _M.at_least_one,
        start: str = _M.start,
        windows: bool | None = _M.windows,
        regions: bool = _M.regions,
        names: bool = _M.names,
        prompts: Sequence[str] | Mapping[str, Sequence[str]] | None = _M.prompts,
        epochs: int = _F.epochs,
        batch_size: int = _F.batch_size,
        learning_rate: float = _F.learning_rate,
        weight_decay: float = _F.weight_decay,
        held_out: float = _F.held_out,
        patience: int = _F.patience,
        stop: str = _F.stop,
        average: float = _F.average,
        schedule: str = _F.schedule,
        consistency: float = _F.consistency,
        seed: int = _F.seed,
        accelerator: str = _F.accelerator,
        devices: Any = _F.devices,
        strategy: str = _F.strategy,
        workers: int = _F.workers,
        augment: bool | Literal["strong"] = _F.augment,
        init_from: str | Path | None = _F.init_from,
        runtime: str = _F.runtime,
        cache: str | Path | None = _F.cache,
        white: float | None = None,
    ):
        self.space = space
        self.annotation = annotation
        self.encoder = encoder
        self.weights = weights
        self.frozen = frozen
        self.image_size = image_size
        self.expected_labels = expected_labels
        self.mixture = mixture
        self.beta = beta
        self.objective = objective
        self.at_least_one = at_least_one
        self.start = start
        self.windows = windows
        self.regions = regions
        self.names = names
        self.prompts = prompts
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.held_out = held_out
        self.patience = patience
        self.stop = stop
        self.average = average
        self.schedule = schedule
        self.consistency = consistency
        self.seed = seed
        self.accelerator = accelerator
        self.devices = devices
        self.strategy = strategy
        self.workers = workers
        self.augment = augment
        self.init_from = init_from
        self.runtime = runtime
        self.cache = cache
        self.white = white

    # --- fitting ----------------------------------------------------------------------------------------

    def fit(
        self,
        images: Images,
        observed: Labels | None = None,
        truth: Labels | None = None,
        *,
        held_out: str | ArrayLike | None = None,
        together: str | ArrayLike | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        watch: Sequence[str] = (),
    ) -> LatentLabels:
        """Fit by SVI, and keep the weights of the best epoch.

        Args:
            images: a folder, a list of image files, a torch Dataset of images (3, H, W), an array of images (N, 3, H, W) or
                (N, H, W, 3), or with encoder="embedding" embeddings: an array or DataFrame (N, D), or an .npz; or `Inputs`.
            observed: `Observed`, a DataFrame, or an array (N, K) of 1, 0, -1; may be left out where `images` is an ImageFolder
                or an .npz with `observed`. Where both sides have names, rows are matched by name.
            truth: complete labels (N, K), likewise, which only the ceilings and the stopping rule "truth-map" read.
            held_out: which images are held out: a mask (N,), rows from 0 to N - 1, or names; or the name of a column beside the
                labels (`Observed.extra`) or the path of a table (image, split), whose values are train, val or test, or 0 and
                1. ``"fold=4"`` holds out the images of that value. Images of a test are left out of the fit. None: the share
                `held_out` of each label's images, drawn by `seed`, after which every label still has a training image.
            together: N values, equal for images that belong together (of one patient, of one site), or a column or table as
                above; such images are held out together or not at all.
            checkpoints: a folder for the state after each epoch.
            resume: continue from the state in `checkpoints`.
            watch: further stopping rules whose best weights are kept as well, for `use`; the fit continues while any of
                them improves. "truth-map", the mAP against complete labels of held-out images, is for oracles.

        Returns:
            self.

        Raises:
            ObservationError, DataError, ConfigError, WeightsError: what cannot be used, and what to do.
        """
        start, inputs, batches = self._prepare(images, observed, truth, held_out, together)
        program, anchor, table, truth = start.program, start.anchor, inputs.observed, inputs.truth
        assert table is not None
        assert anchor is not None
        objective = program.objective
        if objective.needs_truth and truth is None:
            raise ConfigError(f'objective "{self.objective}" needs complete labels; give them as fit(..., truth=Y)')
        known = label_rows(table)
        parts = hold_out(inputs, float(self.held_out), int(self.seed))
        warn_of_rare(parts)
        rows = parts.rows
        program.model.num_images = len(rows[0])
        prevalence = torch.tensor(anchor.prevalence, dtype=torch.float32)
        objective.start(objectives.Known(known, rows[0], prevalence, anchor.expected_labels, batches.inputs))
        frozen = start.head.frozen_rows(program.space)
        rates = float(self.learning_rate), float(self.weight_decay)
        module = LabelModule(program.model, objective, *rates, frozen, 1.0 if start.begun_with is None else TRAINED_BEFORE)
        stop = self.stop if self.stop != "auto" else ("likelihood" if objective.stops_by_value() else "known-map")
        settings = LoopSettings(
            epochs=int(self.epochs),
            batch_size=int(self.batch_size),
            patience=int(self.patience),
            seed=int(self.seed),
            accelerator=self.accelerator,
            devices=self.devices,
            strategy=self.strategy,
            stop=stop if len(rows[1]) else "none",
            also=tuple(watch) if len(rows[1]) else (),
            average=float(self.average),
            schedule=self.schedule,
            consistency=float(self.consistency),
        )
        complete = None if truth is None else torch.from_numpy(truth)
        folder = None if checkpoints is None else Path(checkpoints)
        identity = begun_with(table.space, table, rows[1], self._begun_settings(start.params, settings, inputs.levels))
        result = train(module, batches, known, complete, rows, settings, folder, resume, identity)
        count = self._predicted_count(program.model, batches, rows[1], result)
        ours = objective.is_likelihood
        found = diagnose(table, start.annotation, anchor, result, count, ours, rows[1], start.head.nonempty, inputs.completed)
        found["held_out"] = parts.to_dict()
        found["begun_with"] = None if start.begun_with is None else list(start.begun_with)
        found["learned"] = {name: one.to_dict() for name, one in start.annotation.learned.items()}
        found["encoder"] = {key: start.params[key] for key in CHOSEN} | {"why": start.why}
        found |= names_found(program.model.amortizer)
        for message in fit_warnings(found):
            warnings.warn(message, AnchorWarning, stacklevel=2)
        digest = hash_data(table.known, table.images)
        decisions, references = decided(program.model, result.kept, batches, rows, self.batch_size)
        self.fitted_ = replace(
            start,
            history=result.history,
            kept=result.kept,
            diagnostics=found,
            data_hash=digest,
            decisions=decisions,
            references=references,
        )
        return self

    def calibrate(
        self, images: Images, complete: Labels | None = None, *, aim: Aim | str | None = None, by: By = "posterior"
    ) -> LatentLabels:
        """Calibrate by images whose labels are all known, and which were not used in the fit.

        Finds a temperature and a bias for each logit by the exact likelihood of complete label sets, with a prior that holds
        them back where images are few. Where this does not help images that are left out, probabilities stay as they are.
        Thresholds are found again, and `Posterior.sets` has what it needs. ``decisions_.calibration`` says what was found.
        Calibrating again begins from the fit, not from an earlier calibration.

        Args:
            images: as for `fit`, or a folder of any images.
            complete: their labels: `Observed`, a DataFrame or an array (N, K). Images with an unknown label are left out. May
                be left out for an .npz with labels.
            aim: what thresholds are good for, as for `predict`; None for the aim that they have.
            by: what thresholds are found by: "posterior", the calibrated posterior of images that the fit kept, or "images",
                the complete images.

        Returns:
            self.

        Raises:
            NotFittedError: before `fit`.
            DataError: no complete image, or none that has a label.
            ObservationError: labels that contradict the label space.
            ConfigError: an unknown aim.
        """
        inputs = self.read(images, complete)
        self.fitted_ = calibrated(self.fitted_, inputs, self.batch_size, aim, by)
        return self

    def use(self, rule: str) -> LatentLabels:
        """Load the best weights by one of the stopping rules that `fit` watched; see its argument `watch`.

        Returns:
            self.

        Raises:
            ConfigError: a rule that was not watched.
        """
        self._check_fitted()
        kept = self.kept_
        if rule not in kept:
            raise ConfigError(
                f'the stopping rule "{rule}" was not watched{nearest(rule, kept)} (kept: {", ".join(kept) or "none"})'
            )
        amortizer, found = load_kept(self.model, kept[rule]), self.fitted_
        amortizer.adjustment = None  # a calibration belongs to the weights that it was found with
        decisions = Decisions.by(amortizer.vector, found.references[rule], found.decisions.thresholds.aim)
        self.fitted_ = replace(found, decisions=decisions)
        return self

    def prepare(self, images: Images, observed: Labels | None = None) -> LatentLabels:
        """Build `model`, `guide` and `elbo` at their start, anchored by the known labels, without training.

        For ``pyro.infer.SVI(m.model, m.guide, optimiser, loss=m.elbo)`` in your own training loop, with
        ``svi.step(batch_of_images, batch_of_observed)``. Arguments are those of `fit`. Pyro keeps parameters by name for the
        whole process: call ``pyro.clear_param_store()`` before training another one.
        """
        self.fitted_, _, _ = self._prepare(images, observed)
        return self

    def _prepare(
        self,
        images: Images,
        observed: Labels | None,
        truth: Labels | None = None,
        held_out: str | ArrayLike | None = None,
        together: str | ArrayLike | None = None,
    ) -> tuple[Fitted, Inputs, Batches]:
        """Read the data and build the program: where it starts, the inputs, and what is trained on, which may be features."""
        self._check_numbers()
        how = self._how
        before = None if self.init_from is None else LatentLabels.load(self.init_from).fitted_
        given = self._settings if before is None else as_before(self._settings, before)
        settings, why = settle(given, str(self.accelerator), kind_given(images))
        fit = self._fit_settings
        if before is None:
            wanted = wanted_by(settings, fit, read=images if isinstance(images, Inputs) else None)
        else:
            wanted = wanted_after(settings, fit, before)
        inputs = read_inputs(
            images,
            observed,
            truth,
            space=self.space,
            wanted=wanted,
            how=Reading(labelled=True, merge=not how.one_positive, recognise=True, white=self.white),
        )
        table = inputs.observed
        if table is None:
            raise DataError(
                "observed is missing, so there are no known labels to learn from; give "
                "fit(images, observed), or a folder with one folder of images for each label"
            )
        inputs = with_statements(inputs, held_out, together)
        if not isinstance(images, Inputs):  # else whoever read them has seen to it
            read = ReadOptions() if table.how_read is None else ReadOptions(contradictions=table.how_read.policy)
            inputs = with_copies_merged(inputs, not how.one_positive, read)
        table = inputs.observed
        assert table is not None
        if len(inputs) < 2:
            raise DataError(f"a fit needs at least two images, not {len(inputs)}")
        how = learn(how, table.known, table.space)
        anchor: Anchor = derive_prior(table.space, table.known, how, self.expected_labels)
        warn_of_start(settings, anchor, table.space.num_labels, stacklevel=3)
        torch.manual_seed(int(self.seed))
        num_inputs = inputs.num_features
        head = decide_head(settings, how, table, anchor)
        pixels = wanted.format if inputs.kind is Kind.IMAGES else None
        if before is not None:
            check_same_encoder(before, settings.encoder, num_inputs)
            head = replace(head, scaled=not settings.frozen and has_scale(before))
        earlier = None if before is None else Earlier(before.program.described, labels_read(settings, before))
        program = build_program(table.space, how, settings, head, num_inputs, anchor, pixels, inputs.size, earlier, len(inputs))
        taken = None if before is None else take_over(program.model.amortizer, before.program.model.amortizer)
        start = Fitted(
            space=table.space,
            annotation=how,
            kind=inputs.kind,
            program=program,
            decisions=Decisions(Thresholds.halves(table.space.num_labels)),
            head=head,
            begun_with=None if taken is None else taken.labels,
            why=why,
            params=self.get_params(deep=False) | {key: getattr(settings, key) for key in CHOSEN},
            names=inputs.names,
            image_size=inputs.size,
            pixels=pixels,
            levels=inputs.levels,
            features=wanted.features or features_of(program.model.amortizer.encoder, settings, self._fit_settings, pixels),
            num_features=num_inputs,
            columns=inputs.columns,
            anchor=anchor,
        )
        amortizer = program.model.amortizer
        frozen, keep = bool(settings.frozen), before is not None
        batches = features_once(amortizer.encoder, inputs.items, frozen, self.batch_size, keep_scale=keep)
        show_names(amortizer, batches, self.batch_size, keep)
        return start, inputs, batches

    def _check_numbers(self) -> None:
        """Refuse numbers that a config refuses; names are checked where they are looked up.

        Raises:
            ConfigError: a setting out of its range, or an annotation that is none.
        """
        if not isinstance(self._how, Annotation):
            raise ConfigError(f"annotation is {self.annotation!r}, not an annotation such as latentlabels.annotation.Scar(0.5)")
        for section in (ModelConfig, FitConfig, DataConfig):
            own = section.model_fields if section is not DataConfig else ("white",)
            wrong = refused_numbers(section, {key: getattr(self, key) for key in own})
            if wrong:
                raise ConfigError(wrong[0])

    @property
    def _fit_settings(self) -> FitConfig:
        """The settings of the fit, as they are now."""
        return FitConfig.model_construct(**{key: _plain(getattr(self, key)) for key in FitConfig.model_fields})

    @property
    def _how(self) -> Annotation:
        return UniformPositive() if self.annotation is None else self.annotation

    @property
    def _settings(self) -> ModelConfig:
        """The settings of the model, as they are now; checked where they are used."""
        return ModelConfig.model_construct(**{key: _plain(getattr(self, key)) for key in ModelConfig.model_fields})

    def _begun_settings(self, params: Mapping[str, Any], loop: LoopSettings, levels: Levels | None) -> dict[str, Any]:
        """What makes a fit another fit; how long it lasts and where it runs do not."""
        fit = ("batch_size", "learning_rate", "weight_decay", "held_out", "seed", "augment")
        chosen = {key: _plain(params[key]) for key in (*ModelConfig.model_fields, *fit)}
        # of settings that came later, what is usual is left out: a fit that an earlier version began can be resumed
        chosen |= {key: _plain(params[key]) for key in _LATER if params[key] != FitConfig.model_fields[key].default}
        if schedule_named(loop.schedule).spans_fit:
            chosen["epochs"] = loop.epochs
        if levels is not None and not levels.are_usual:
            chosen["levels"] = levels.to_config()
        return chosen | {"annotation": self._how.to_config(), "stop": loop.stop, "watch": sorted(loop.also)}

    def _predicted_count(self, model: LabelModel, batches: Batches, held: Tensor, result: TrainingResult) -> float:
        """Labels per held-out image after the best epoch."""
        row = next((row for row in result.history if row["epoch"] == result.best_epoch), {})
        if row.get("predicted_count") is not None:
            return float(row["predicted_count"])
        rows = held if len(held) else torch.arange(min(len(batches), 1000))
        return float(label_vector(model.amortizer, batches, rows, self.batch_size).marginals.sum(-1).mean())

    # --- answers ----------------------------------------------------------------------------------------

    def read(
        self,
        images: Images,
        observed: Labels | None = None,
        truth: Labels | None = None,
        *,
        how: Reading | None = None,
    ) -> Inputs:
        """Read images or embeddings once, in the form that this fitted model takes, to use them several times.

        Args:
            images: as for `fit`, or a folder of any images.
            observed: known labels of these images, as for `fit`.
            truth: complete labels, as for `fit`.
            how: details of reading.

        Raises:
            NotFittedError: before `fit`.
            DataError: inputs of another kind or size.
        """
        wanted = self._as_fitted()
        return read_inputs(images, observed, truth, space=self.fitted_.space, wanted=wanted, how=how)

    def stream(
        self,
        images: str | Path | Sequence[str | Path] | Inputs,
        observed: Observed | None = None,
        *,
        strict: bool = False,
        what: str = "observed",
        tree: Tree | None = None,
    ) -> InputStream:
        """Images or embeddings to go through block by block, in flat memory; nothing is decoded yet.

        Args:
            images: a folder, a file, a glob, or several of them; or `Inputs`.
            observed: known labels of these images. Where both have names, a table selects from one folder or file.
            strict: whether an image that cannot be read is an error.
            what: what `observed` is called in messages.
            tree: folders that were listed before, so that each is listed once.

        Raises:
            NotFittedError: before `fit`.
            DataError: inputs of another kind or size, or names that do not agree.
        """
        wanted, num_labels = self._as_fitted(), self.fitted_.space.num_labels
        if isinstance(images, Inputs):
            inputs = self.read(images, observed)
            return InputParts(inputs, num_labels, None if observed is None else inputs.observed)
        known = None if observed is None else observed.in_space(self.fitted_.space)
        return open_stream(images, known, wanted, num_labels, strict, what, tree)

    def _as_fitted(self) -> Wanted:
        """What this fitted model takes."""
        self._check_fitted()
        found = self.fitted_
        pixels = found.pixels or PixelFormat()
        return Wanted(
            kind=found.kind,
            size=found.image_size,
            format=pixels,
            num_features=found.num_features,
            workers=self.workers,
            augment=self.augment,
            columns=found.columns,
            levels=found.levels,
            features=found.features,
        )

    def posterior(self, images: Images, observed: Labels | None = None) -> Posterior:
        """The posterior of all labels.

        Args:
            images: as for `fit`, or a folder of any images. Images of another size than the fit's are resized to it.
            observed: known labels of these images, as for `fit`. The posterior is then conditioned on them, under the
                annotation.

        Raises:
            NotFittedError: before `fit`.
        """
        return self._posterior(self.read(images, observed), observed is not None)

    def posterior_blocks(
        self, stream: InputStream, start: int = 0, *, conditioned: bool = True
    ) -> Iterator[tuple[InputBlock, Posterior]]:
        """The posterior of many images, block by block: as `posterior`, but one block at a time is in memory.

        Args:
            stream: see `stream`.
            start: number of the first image.
            conditioned: whether the posterior is conditioned on the known labels of the stream, under the annotation.

        Yields:
            Each block with the posterior of those of its images that can be read: `block.inputs.rows` are their numbers in
            the block, from 0.

        Raises:
            NotFittedError: before `fit`.
        """
        for block in stream.blocks(start):
            yield block, self._posterior(block.inputs, conditioned and stream.known is not None)

    def _posterior(self, inputs: Inputs, conditioned: bool) -> Posterior:
        rows = torch.arange(len(inputs))
        amortizer, decisions = self.model.amortizer, self.decisions_
        flat = flat_logits(amortizer, inputs.items, rows, self.batch_size)
        q, base = amortizer.vector(flat), amortizer.unadjusted(flat)
        places = None
        if isinstance(amortizer.head, RegionHead):
            places = Places(amortizer, inputs.items, rows, self.batch_size)
        guarantee = None if decisions.conformal is None else Guarantee(decisions.conformal, base)
        found = Posterior(q, inputs.names, inputs.pictures, places=places, guarantee=guarantee)
        if not conditioned:
            return found
        assert inputs.observed is not None
        return found.observing(inputs.observed.values, self.conditions_by)

    @property
    def conditions_by(self) -> Annotation:
        """The annotation by which known labels of an image enter its posterior; published losses have none."""
        return objectives.find(self._found.params["objective"]).conditions_by(self.annotation_)

    def predict_proba(self, images: Images) -> NDArray[np.float32]:
        """``posterior(images).marginals``: float32 (N, K)."""
        return self.posterior(images).marginals

    def predict(self, images: Images, aim: Aim | str | None = None) -> NDArray[np.int8]:
        """Hard labels: 1 where a label's probability is at least its threshold in ``thresholds_``, 0 elsewhere.

        Each label is decided by itself, which is best for measures that count labels one by one, such as F1 or accuracy. The
        result may therefore be an invalid label set, for example two present labels of one group, or none of an exhaustive
        group. The aim "mode" gives the most probable valid set.

        Args:
            images: as for `fit`, or a folder of any images.
            aim: what the decisions are good for: "f1" (all labels together), "macro-f1" (each label), "precision=0.9",
                "recall=0.9", or "mode". None: by ``thresholds_``, which a fit finds for "f1".

        Returns:
            int8 (N, K).

        Raises:
            ConfigError: an unknown aim.
            DataError: an aim with a run that is older than thresholds.
        """
        if aim == MODE:
            return self.posterior(images).mode()
        self._check_fitted()
        found = self.decisions_.thresholds if aim is None else self.decisions_.for_aim(aim, self.model.amortizer.vector)
        if found.source.kind == "unset":
            warnings.warn(
                "the thresholds are 0.5 each, since nothing is known to find better ones by", DataWarning, stacklevel=2
            )
        return found.decide(self.predict_proba(images))

    def score(self, images: Images, truth: Labels | None = None) -> float:
        """The mean log-likelihood of complete label sets, natural logarithm; higher is better.

        Args:
            images: N of them, as for `fit`.
            truth: (N, K) complete labels: `Observed`, a DataFrame or an array. May be left out
                for `Inputs` or an .npz with truth.

        Returns:
            -inf where the model calls one of the label sets impossible.

        Raises:
            DataError: no complete labels.
        """
        inputs = self.read(images, truth=truth)
        if inputs.truth is None:
            raise DataError("score needs complete labels; give score(images, truth)")
        return float(self.posterior(inputs).log_prob(inputs.truth).mean())

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                "this LatentLabels is not fitted yet; call fit(images, observed) first, or LatentLabels.load(run)"
            )

    def __sklearn_is_fitted__(self) -> bool:
        return "fitted_" in self.__dict__

    def __sklearn_tags__(self) -> Tags:
        """For scikit-learn: labels are needed, many for each row; what is random is seeded."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.input_tags.two_d_array = self.encoder == AUTO or kind_of(self.encoder) is Kind.EMBEDDINGS
        return tags

    @property
    def kind(self) -> Kind:
        """What this model takes: images or embeddings."""
        found: Fitted | None = self.__dict__.get("fitted_")
        return kind_of(self.encoder) if found is None else found.kind

    @property
    def model(self) -> LabelModel:
        """The Pyro model, after `fit` or `prepare`."""
        return self._found.program.model

    @property
    def guide(self) -> LabelGuide:
        """The Pyro guide."""
        return self._found.program.guide

    @property
    def elbo(self) -> CollapsedELBO:
        """The evidence lower bound of model and guide."""
        return self._found.program.elbo

    @property
    def space_(self) -> LabelSpace:
        """The label space of the fit; `space` is the one that was given, which may be None."""
        return self._found.space

    @property
    def annotation_(self) -> Annotation:
        """How the known labels came about, as fitted."""
        return self._found.annotation

    @property
    def n_features_in_(self) -> int:
        """D of the embeddings of the fit; not defined for images."""
        if self._found.num_features is None:
            raise AttributeError("a model on images has no n_features_in_; see fitted_.image_size")
        return self._found.num_features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The names of the embeddings' columns, where they were a DataFrame with names: later ones are matched by them."""
        if self._found.columns is None:
            raise AttributeError("it was fitted on embeddings without names, or on images: there is no feature_names_in_")
        return np.array(self._found.columns, dtype=object)

    @property
    def names_(self) -> tuple[str, ...]:
        """The names of the training images."""
        return self._found.names

    @property
    def anchor_(self) -> Anchor:
        """Prevalences before training."""
        if self._found.anchor is None:
            raise AttributeError("a loaded run has no anchor_, because run folders do not store it")
        return self._found.anchor

    @property
    def history_(self) -> list[dict[str, Any]]:
        """A dict for each epoch."""
        return self._found.history

    @property
    def kept_(self) -> dict[str, Best]:
        """The best epoch of each stopping rule that was watched."""
        return self._found.kept

    @property
    def diagnostics_(self) -> dict[str, Any]:
        """Figures and findings that the fit reports."""
        return self._found.diagnostics

    @property
    def thresholds_(self) -> NDArray[np.float32]:
        """(K,) the probabilities from which `predict` calls a label present.

        A fit chooses them to maximise the expected F1 of all labels together under its own posterior, on held-out images where
        there are enough; no label is read. ``decisions_.thresholds`` says for which aim and from what they were found.
        """
        return self._found.decisions.thresholds.values

    @property
    def decisions_(self) -> Decisions:
        """What it decides by: thresholds, and what was found from complete images."""
        return self._found.decisions

    @property
    def _found(self) -> Fitted:
        found: Fitted | None = self.__dict__.get("fitted_")
        if found is None:  # an AttributeError, so that hasattr tells a fitted estimator from another one
            raise AttributeError("this LatentLabels is not fitted yet; call fit(images, observed) first")
        return found

    # --- what is shown ----------------------------------------------------------------------------------

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return str(provided("one line")(self))

    @property
    def _repr_html_(self) -> Callable[[], str]:
        """What a notebook shows, where scikit-learn's option `display` is "diagram", as it is by default."""
        if get_config()["display"] != "diagram":
            raise AttributeError('_repr_html_ needs scikit-learn\'s option display="diagram"')
        return partial(provided("notebook view"), self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """What IPython asks for first: of `BaseEstimator` it would be the diagram of a pipeline."""
        show = getattr(self, "_repr_html_", None)
        return {"text/plain": repr(self)} | ({} if show is None else {"text/html": show()})

    # --- the run folder ---------------------------------------------------------------------------------

    def save(self, folder: str | Path, sections: Mapping[str, Any] | None = None) -> Path:
        """Write a run folder, from which `load` restores this estimator.

        Args:
            folder: a new folder, or that of an earlier run, which is replaced file by file.
            sections: of `config.yaml` beside the estimator's own: `data` says what was read.
        """
        self._check_fitted()
        found = self.fitted_
        given = dict(found.params)
        given["at_least_one"] = found.head.nonempty  # as it was decided
        if found.image_size is not None:
            height, width = found.image_size
            given["image_size"] = height if height == width else [height, width]
        model = {key: _plain(given[key]) for key in ModelConfig.model_fields}
        fit = {key: _plain(given[key]) for key in FitConfig.model_fields}
        config = {"annotation": found.annotation.to_config(), **(sections or {}), "model": model, "fit": fit}
        about = environment(int(given["seed"]), found.data_hash) | {"head": found.head.to_dict()}
        if found.columns is not None:
            about["columns"] = list(found.columns)
        if found.program.described is not None:
            about["encoder"] = dict(found.program.described)
        if found.pixels is not None:
            about["pixels"] = found.pixels.to_config()
        if found.levels is not None:
            about["levels"] = found.levels.to_config()
        return write_run(
            folder,
            Run(
                config=config,
                space=found.space,
                weights=dict(self.model.state_dict()),
                history=found.history,
                environment=about,
                diagnostics=found.diagnostics,
                decisions=found.decisions,
            ),
        )

    @classmethod
    def load(cls, folder: str | Path) -> LatentLabels:
        """The estimator of a run folder.

        Raises:
            RunError: a folder that is incomplete, damaged or of a later version.
        """
        run = read_run(folder)
        try:
            how = read_annotation(run.config["annotation"], run.space)
            how.learned = {name: Learned.from_dict(one) for name, one in run.diagnostics.get("learned", {}).items()}
            out = cls(run.space, how, **run.config["model"], **run.config["fit"])
            kind, pixels, levels, size = kind_of(out.encoder), None, None, None
            if kind is Kind.IMAGES:
                about = run.environment.get("pixels")
                pixels = PixelFormat() if about is None else PixelFormat.from_config(about)  # runs of version 0.1 say nothing
                levels = Levels.from_config(run.environment.get("levels"))  # older runs had images of 8 bits in mind
                out.white = levels.stated
                size = pixels.size if out.image_size is None else as_size(out.image_size)
            features = None if kind is Kind.IMAGES else len(run.weights["amortizer.encoder.mean"])
            columns = run.environment.get("columns")
            head = HeadPolicy.from_run(run.environment.get("head"), out._settings)
            earlier = Earlier(run.environment.get("encoder"))
            program = build_program(run.space, how, out._settings, head, features, None, pixels, size, earlier)
            program.model.load_state_dict(run.weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"{folder}: config.yaml and weights.safetensors do not match ({error}); restore the folder, or fit again"
            ) from error
        program.model.eval()
        if run.decisions is not None and run.decisions.calibration is not None:
            program.model.amortizer.adjustment = run.decisions.calibration.adjustment()
        out.fitted_ = Fitted(
            space=run.space,
            annotation=how,
            kind=kind,
            program=program,
            decisions=run.decisions or Decisions(Thresholds.halves(run.space.num_labels)),
            head=head,
            params=out.get_params(deep=False),
            image_size=size,
            pixels=pixels,
            levels=levels,
            features=features_of(program.model.amortizer.encoder, out._settings, out._fit_settings, pixels),
            num_features=features,
            columns=None if columns is None else tuple(map(str, columns)),
            history=run.history,
            diagnostics=run.diagnostics,
            data_hash=run.environment.get("data_hash", ""),
        )
        return out


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
