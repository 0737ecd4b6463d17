"""What known labels say about themselves, about a fit and about the assumed annotation."""

from .known_labels import (
    KnownCount,
    LinkedCount,
    alarms,
    even_count_check,
    known_label_check,
    known_probs,
    linked_label_check,
)
from .suspect_labels import Surprise, surprising_labels

__all__ = [
    "KnownCount",
    "LinkedCount",
    "Surprise",
    "alarms",
    "even_count_check",
    "known_label_check",
    "known_probs",
    "linked_label_check",
    "surprising_labels",
]
