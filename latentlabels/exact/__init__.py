"""Exact sums over label sets: pure functions of tensors, no Pyro and no I/O."""

from .counting import count_probs, count_probs_of_some, log_binomials
from .emptiness import log_none, log_some
from .evidence import Evidence, pinned
from .forest import Block, Forest, compile_forest
from .kernels import batch_shape, log_sum_exp
from .moments import (
    column_probs,
    entropy,
    expected_log_odds,
    expected_log_prob,
    kl,
    largest_expected_count,
    log_marginals,
    log_prob,
    marginals,
    sample,
    undefined,
)
from .search import best_label_set, best_with_cardinality, most_probable_in_mixture
from .sums import log_normalizers, posterior_logits

__all__ = [
    "Block",
    "Evidence",
    "Forest",
    "batch_shape",
    "best_label_set",
    "best_with_cardinality",
    "column_probs",
    "compile_forest",
    "count_probs",
    "count_probs_of_some",
    "entropy",
    "expected_log_odds",
    "expected_log_prob",
    "kl",
    "largest_expected_count",
    "log_binomials",
    "log_marginals",
    "log_none",
    "log_normalizers",
    "log_prob",
    "log_some",
    "log_sum_exp",
    "marginals",
    "most_probable_in_mixture",
    "pinned",
    "posterior_logits",
    "sample",
    "undefined",
]
