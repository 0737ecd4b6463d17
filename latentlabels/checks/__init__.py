"""What known labels say about themselves, about a fit and about the assumed annotation."""

from .complete_images import PickCheck, pick_check
from .finding import Finding, Kind, Severity, Todo
from .known_labels import (
    KnownCount,
    LinkedCount,
    alarms,
    even_count_check,
    known_label_check,
    known_probs,
    linked_label_check,
)
from .movement import GroupMovement, MovedLabel, movements, shared_by, unmoved_sentences
from .prevalence_baseline import without_image
from .proposal import Proposal, propose
from .sentences import fit_warnings
from .suspects import SuspectLabel, suspect_labels

__all__ = [
    "Finding",
    "GroupMovement",
    "Kind",
    "KnownCount",
    "LinkedCount",
    "MovedLabel",
    "PickCheck",
    "Proposal",
    "Severity",
    "SuspectLabel",
    "Todo",
    "alarms",
    "even_count_check",
    "fit_warnings",
    "known_label_check",
    "known_probs",
    "linked_label_check",
    "movements",
    "pick_check",
    "propose",
    "shared_by",
    "suspect_labels",
    "unmoved_sentences",
    "without_image",
]
