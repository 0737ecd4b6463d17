"""Every kind of finding and everything to do about one has words."""

from __future__ import annotations

from latentlabels.checks import sentences
from latentlabels.checks.finding import Kind, Todo
from latentlabels.checks.said_of_fits import SAID_OF_FITS
from latentlabels.checks.said_of_labels import SAID_OF_LABELS


def test_every_kind_has_a_title_and_a_sentence() -> None:
    stored = {Kind.NOTE}  # a sentence of an older run, shown as it is
    assert set(Kind) - set(sentences._TITLES) <= stored
    assert set(Kind) - set(sentences._SAID) <= stored


def test_no_kind_is_worded_twice() -> None:
    assert not SAID_OF_FITS.keys() & SAID_OF_LABELS.keys()


def test_everything_to_do_is_worded() -> None:
    assert set(Todo) == set(sentences._TODO)
