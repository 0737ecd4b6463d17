"""`LatentLabels`: fit label probabilities from partly known labels, and ask for posteriors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

from ..annotation import Annotation
from ..checks import fit_warnings
from ..config import FitConfig, ModelConfig
from ..errors import AnchorWarning
from ..fitting.fitted import Fitted
from ..fitting.plan import plan_of
from ..fitting.run_folder import write_run
from ..kind import AUTO, Kind, kind_of
from ..posterior import Posterior
from ..progress import following
from ..space import LabelSpace
from .asked_fit import scaled, without_answers
from .cross_fitting import cross_fitted
from .deciding import DecidingModel
from .preparing import prepare
from .settings import Settings
from .storing import restored, run_of
from .training import trained

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from ..inputs.alignment import Labels
    from ..inputs.given import Images

_M, _F = ModelConfig(), FitConfig()


class LatentLabels(DecidingModel):
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
        learning_rate: of AdamW, above 0.
        weight_decay: of AdamW, at least 0.
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
        accelerator: as Lightning's `Fabric` takes it: "auto", "cpu" or "gpu".
        devices: likewise: how many devices, or a list of their numbers; "auto" for all.
        strategy: likewise: "auto", "ddp", ...
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
        answers: Labels | None = None,
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
            answers: answers to questions about single labels, which somebody asked (see `Posterior.next_questions`), as
                `observed`: of some images, by name, or (N, K) of 1, 0, -1. They are evidence of their own, p(answer | y) = 1
                or 0, beside the annotation of `observed`. Where the head alone is trained, they also fix the scale of all
                probabilities, by a first fit without them; `decisions_.calibration` has it.
            checkpoints: a folder for the state after each epoch.
            resume: continue from the state in `checkpoints`.
            watch: further stopping rules whose best weights are kept as well, for `use`; the fit continues while any of
                them improves. "truth-map", the mAP against complete labels of held-out images, is for oracles.

        Returns:
            self.

        Raises:
            ObservationError, DataError, ConfigError, WeightsError: what cannot be used, and what to do.
            RunError: with `resume`, a state that is damaged or of another fit; with `init_from`, such a run folder.
            FloatingPointError: a loss that is not finite.
        """
        settings, before = self._checked()
        with following(plan_of(settings.model, settings.fit), log=False):
            prepared = prepare(settings, before, images, observed, truth, held_out, together, answers)
            first = without_answers(settings, before, prepared)
            found = trained(settings, prepared, checkpoints=checkpoints, resume=resume, watch=watch)
            if first is not None:
                found = scaled(settings, prepared, first, found)
        for message in fit_warnings(found.diagnostics):
            warnings.warn(message, AnchorWarning, stacklevel=2)
        self.fitted_ = found
        return self

    def cross_posterior(
        self,
        images: Images,
        observed: Labels | None = None,
        folds: int = 2,
        *,
        together: str | ArrayLike | None = None,
        noise: float | None = None,
    ) -> Posterior:
        """The posterior of all labels of each image, by a fit that has not seen the image.

        The images are parted into folds, and each fold is predicted by a fit to the others with the settings of this one.
        Copies, and images that belong together, are in one fold. Features of an encoder that is not trained are computed
        once. This estimator stays as it is.

        Args:
            images: all N images, as for `fit`.
            observed: their known labels (N, K), as for `fit`.
            folds: how many parts; more of them leave each fit more images, and take longer.
            together: which images belong together, as for `fit`.
            noise: the share of known labels that the fits take for mistakes; None for that of the annotation.

        Returns:
            Of the images alone, in their order; copies that `fit` merges are one image.

        Raises:
            NotFittedError: before `fit`.
            ConfigError: fewer than 2 folds.
            DataError: too few images or known labels.
        """
        self._check_fitted()
        return cross_fitted(self.fitted_, images, observed, folds=folds, together=together, noise=noise).posterior

    def prepare(self, images: Images, observed: Labels | None = None) -> LatentLabels:
        """Build `model`, `guide` and `elbo` at their start, anchored by the known labels, without training.

        For ``pyro.infer.SVI(m.model, m.guide, optimiser, loss=m.elbo)`` in your own training loop, with
        ``svi.step(batch_of_images, batch_of_observed)``. Pyro keeps parameters by name for the whole process: call
        ``pyro.clear_param_store()`` before training another one.

        Args:
            images: as for `fit`.
            observed: as for `fit`.

        Returns:
            self.

        Raises:
            ObservationError, DataError, ConfigError, WeightsError: as `fit`.
        """
        settings, before = self._checked()
        self.fitted_ = prepare(settings, before, images, observed).start
        return self

    def _checked(self) -> tuple[Settings, Fitted | None]:
        """The settings of the fit to come, and the fit that it begins with."""
        settings = Settings.of(self.get_params(deep=False))
        settings.check()
        return settings, None if self.init_from is None else LatentLabels.load(self.init_from).fitted_

    # --- the run folder ---------------------------------------------------------------------------------

    def save(self, folder: str | Path, sections: Mapping[str, Any] | None = None) -> Path:
        """Write a run folder, from which `load` restores this estimator.

        Args:
            folder: a new folder, or that of an earlier run, which is replaced file by file.
            sections: of `config.yaml` beside the estimator's own: `data` says what was read.

        Returns:
            The path of the folder.

        Raises:
            NotFittedError: before `fit`.
        """
        self._check_fitted()
        return write_run(folder, run_of(self.fitted_, sections))

    @classmethod
    def load(cls, folder: str | Path) -> LatentLabels:
        """The estimator of a run folder.

        Raises:
            RunError: a folder that is incomplete, damaged or of a later version.
        """
        out, found = restored(folder, cls)
        out.fitted_ = found
        return out

    # --- scikit-learn -----------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        """For scikit-learn: labels are needed, many for each row; what is random is seeded."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.input_tags.two_d_array = self.encoder == AUTO or kind_of(self.encoder) is Kind.EMBEDDINGS
        return tags
