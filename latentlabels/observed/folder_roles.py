"""What the name of a folder says: one of the system, images that nobody sorted, or a part of a split."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Role = Literal["unlabelled", "split"]

_SYSTEM = frozenset(
    (
        "__macosx",
        "__pycache__",
        "__thumbs__",
        "system volume information",
        "lost+found",
        "#recycle",
        "#snapshot",
        "recycler",
        "recycled",
        "eadir",
        "network trash folder",
        "temporary items",
        "_gsdata_",
    )
)
_BEGIN = (".", "@", "$")
_FOUND = re.compile(r"found\.\d{3}", re.IGNORECASE)  # of chkdsk

_WORDS = {
    # words that say nothing of the role: "test images", "val_set"
    "filler": (
        "image images img imgs photo photos picture pictures pic pics data dataset set files folder dir part split subset"
    ),
    "unlabelled": (
        "unlabeled unlabelled unlabel unsorted unknown unclassified uncategorized uncategorised unannotated unassigned "
        "untagged unmarked unreviewed unchecked unprocessed unsupervised unsup nolabel nolabels withoutlabel withoutlabels "
        "notlabeled notlabelled notsorted notyetlabeled notyetlabelled notyetsorted tolabel tosort tobelabeled tobelabelled "
        "tobesorted toreview todo pending inbox misc miscellaneous"
    ),
    "train": "train training trn trainset trainval",
    "split": (
        "test testing tst testset val valid validation valset validate dev devel development devset eval evaluation holdout "
        "heldout minival"
    ),
}
_FILLERS, _UNLABELLED, _TRAIN, _SPLIT = (frozenset(words.split()) for words in _WORDS.values())


def is_system(name: str) -> bool:
    """Whether a folder of this name is left by an operating system, a photo server or a program: never a label by itself."""
    return name.startswith(_BEGIN) or name.strip().lower() in _SYSTEM or _FOUND.fullmatch(name) is not None


def role_of(name: str) -> Role | None:
    """What the name of a folder suggests that it is instead of a label; None where it suggests nothing.

    Case, digits, signs and words such as "images" or "set" do not count: ``Test_images`` and ``val2017`` are parts of a split.

    >>> role_of("Un-labelled images"), role_of("val2017"), role_of("test tube")
    ('unlabelled', 'split', None)
    """
    plain = _plain(name)
    return "unlabelled" if plain in _UNLABELLED else "split" if plain in _SPLIT | _TRAIN else None


def is_train(name: str) -> bool:
    """Whether the name is that of the training part of a split."""
    return _plain(name) in _TRAIN


def _plain(name: str) -> str:
    words = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", name).casefold())
    return "".join(word for word in words if word not in _FILLERS)
