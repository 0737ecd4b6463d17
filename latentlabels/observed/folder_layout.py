"""What the folders of an ImageFolder mean, and the questions that their names leave open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AmbiguousError, Choice, ObservationError, nearest
from ..words import count, listed, shown
from .folder_roles import Role, is_train, role_of
from .image_files import Tree, folders_below
from .names import KnownNames, Match, label_name
from .options import ReadOptions


@dataclass(eq=False)
class Layout:
    """What each folder of an ImageFolder means.

    Attributes:
        root: the ImageFolder.
        tree: its folders, as listed.
        labels: the folders of each label, in order of name.
        none: the folders of images that show no label of a group, by the group's name.
        unlabelled: folders of images without any known label.
        ignored: folders left out because the user says so.
        set_aside: folders left out because their names are those of a split.
        empty: folders that could be labels or groups, without images.
        notes: what the user should know, as sentences.
        facts: what was taken for what.
    """

    root: Path
    tree: Tree
    labels: dict[str, list[Path]] = field(default_factory=dict)
    none: dict[str, list[Path]] = field(default_factory=dict)
    unlabelled: list[Path] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    set_aside: list[Path] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)

    def relative(self, path: Path) -> str:
        """A path relative to the root, as it is on disk."""
        return path.relative_to(self.root).as_posix()

    def name(self, path: Path) -> str:
        """The same as messages show it."""
        return shown(self.relative(path))

    def names(self, paths: Iterable[Path], most: int = 5) -> str:
        """Several of them."""
        return listed([self.relative(path) for path in paths], most)

    @property
    def closed(self) -> frozenset[Path]:
        """The folders that a walk of another folder does not enter."""
        return frozenset((*self.unlabelled, *self.ignored, *self.set_aside))

    def folders(self) -> Iterator[Path]:
        """All folders below the root that are looked into, and the root."""
        return folders_below(self.root, self.tree, self.closed - {*self.unlabelled})

    def add(self, label: str, folder: Path) -> None:
        """Another folder of a label."""
        self.labels.setdefault(label, []).append(folder)

    def parts(self, top: Path) -> tuple[list[Path], list[str]]:
        """The folders in a folder that the user said nothing about, and its own images."""
        inner = [folder for folder in self.tree.folders(top) if folder not in self.closed]
        return inner, self.tree.images(top)


def stated_folders(root: Path, names: Sequence[str], tree: Tree, option: str | None) -> list[Path]:
    """The folders that a user names: by a path relative to the root, or by a name that folders at any depth may have.

    Args:
        root: the ImageFolder.
        names: what the user gave; a path to a folder in the root does as well.
        tree: folders that were listed before.
        option: the name of the option, for the error; None where a name without a folder is no error.

    Raises:
        ObservationError: no such folder.
    """
    if not names:
        return []
    every = [folder for folder in folders_below(root, tree) if folder != root]
    by_path = KnownNames(folder.relative_to(root).as_posix() for folder in every)
    found: list[Path] = []
    for name in names:
        plain = name if by_path.find(name) is not None else Path(name.replace("\\", "/")).as_posix()
        path = by_path.find(plain)
        here = Path(name)
        if path is None and here.is_dir() and root.resolve() in here.resolve().parents:
            path = Match(here.resolve().relative_to(root.resolve()).as_posix(), "exact")
        same = [folder for folder in every if label_name(folder.name) == label_name(plain)] if "/" not in plain else []
        if path is not None and path.name not in {folder.relative_to(root).as_posix() for folder in same}:
            same.append(root / path.name)
        if not same and option is not None:
            tops = [folder.name for folder in tree.folders(root)]
            raise ObservationError(
                f'{shown(root)}: {option} names the folder "{shown(name)}", but there is none{nearest(plain, tops)}; '
                f"give the name of a folder, or its path below {shown(root)} (its folders: {listed(tops)})"
            )
        found += same
    return list(dict.fromkeys(found))


def roles_of(folders: Sequence[Path]) -> dict[Path, Role]:
    """The folders whose names suggest that they are no labels, among their neighbours."""
    names = {label_name(folder.name).casefold() for folder in folders}
    roles = {folder: role_of(folder.name) for folder in folders}
    if "invalid" in names:  # "valid" and "invalid" judge images
        roles = {folder: role for folder, role in roles.items() if label_name(folder.name).casefold() != "valid"}
    return {folder: role for folder, role in roles.items() if role is not None}


# --- questions ----------------------------------------------------------------------------------------------------------


def refuse_splits(layout: Layout, tops: Sequence[Path], roles: dict[Path, Role]) -> None:
    """Where the root holds parts of a split and no labels, one of the parts is what to give."""
    splits = [top for top in tops if roles.get(top) == "split"]
    if len(splits) < 2 or len(roles) < len(tops):
        return
    sorted_ = [top for top in splits if layout.parts(top)[0] and not layout.parts(top)[1]]
    train = next((top for top in sorted_ if is_train(top.name)), sorted_[0] if sorted_ else None)
    if train is not None:
        others = listed([top.name for top in splits if top != train])
        raise ObservationError(
            f"{shown(layout.root)}: its folders {listed([top.name for top in splits])} are parts of a split, not labels; give "
            f"{shown(train)} as the folder of images (--images {shown(train)}), and keep {others} to evaluate"
        )


def ask(layout: Layout, asked: dict[Path, Role], options: ReadOptions) -> None:
    """Folders that may be labels or not: refuse them, or read them as their names suggest and say so."""
    if not asked:
        return
    names = {folder: layout.name(folder) for folder in asked}
    if len(asked) == 1:
        what = f"folder {listed([*names.values()])} may be a label or not (if it is one, declare it in a label space)"
    else:
        what = (
            f"{count(len(asked), 'folder')} that may be labels or not: {listed([*names.values()], 10)} (those that are labels: "
            "declare them in a label space)"
        )
    question = AmbiguousError(f"{shown(layout.root)}: {what}", _choices(names, asked))
    if options.ambiguous == "refuse" or options.strict:
        raise question
    layout.notes.append(f"{question}. Read for now as: {read_as_named(layout, asked)}")


def _choices(names: dict[Path, str], asked: dict[Path, Role]) -> list[Choice]:
    unsorted_, splits = (tuple(names[folder] for folder in asked if asked[folder] == role) for role in ("unlabelled", "split"))
    every = tuple(names.values())
    one = len(every) == 1
    unlabelled = Choice({"unlabelled": _one_or_more(every)}, f"no label of {'its' if one else 'their'} images is known")
    left_out = Choice({"ignore": _one_or_more(every)}, f"leave {'it' if one else 'them'} out")
    if not splits:
        return [unlabelled, left_out]
    if not unsorted_:
        return [left_out, unlabelled]
    both = Choice(
        {"unlabelled": _one_or_more(unsorted_), "ignore": _one_or_more(splits)},
        f"no label of the images in {listed(unsorted_)} is known, and {listed(splits)} is left out",
    )
    return [both, left_out, unlabelled]


def _one_or_more(names: tuple[str, ...]) -> str | tuple[str, ...]:
    return names[0] if len(names) == 1 else names


def read_as_named(layout: Layout, roles: dict[Path, Role]) -> str:
    """Take folders for what their names suggest; says so."""
    for folder, role in roles.items():
        (layout.unlabelled if role == "unlabelled" else layout.set_aside).append(folder)
    words: dict[Role, str] = {"unlabelled": "images without known labels", "split": "left out"}
    said = (
        (layout.names(folder for folder, one in roles.items() if one == role), means)
        for role, means in words.items()
        if role in roles.values()
    )
    return "; ".join(f"{folders}: {means}" for folders, means in said)


def split_inside(layout: Layout, parts: dict[Path, list[Path]]) -> str:
    """What is said of labels whose images lie in the parts of a split: ``label/train``, ``label/test``."""
    names = dict.fromkeys(folder.name for folders in parts.values() for folder in folders)
    return (
        f"{shown(layout.root)}: {count(len(parts), 'label')} with images in parts of a split ({listed([*names])}), all of "
        f"which are read: {layout.names(parts)}; `ignore` leaves some out"
    )
