"""Which folder is which label: the folders of an ImageFolder, before any image is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ObservationError, nearest
from ..space import Group, LabelSpace
from ..words import count, listed, shown
from .folder_roles import Role, is_train, role_of
from .image_files import Tree, folders_below
from .names import KnownNames, Match, label_name, near_equal
from .options import ReadOptions

_SHOWN = 10  # problems that one error lists


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

    def name(self, path: Path) -> str:
        """A path as messages show it, relative to the root."""
        return shown(path.relative_to(self.root).as_posix())

    def names(self, paths: Iterable[Path], most: int = 5) -> str:
        """Several of them."""
        return listed([path.relative_to(self.root).as_posix() for path in paths], most)

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


def lay_out(root: Path, space: LabelSpace | None, options: ReadOptions, tree: Tree) -> Layout:
    """Find the folder of each label.

    Raises:
        ObservationError: folders that are no labels of the space, that can mean two things, or that the user names and are
            not there; all of them are listed.
    """
    layout = Layout(root, tree)
    layout.unlabelled = stated_folders(root, options.unlabelled, tree, "unlabelled")
    layout.ignored = stated_folders(root, options.ignore, tree, None)
    if space is None:
        _free(layout, options)
    else:
        _Declared(space).lay_out(layout, options)
    return layout


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
        plain = Path(name.replace("\\", "/")).as_posix().removeprefix("./")
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


# --- without a label space ----------------------------------------------------------------------------------------------


def _free(layout: Layout, options: ReadOptions) -> None:
    tops = layout.parts(layout.root)[0]
    roles = roles_of(tops)
    _refuse_splits(layout, tops, roles)
    asked: dict[Path, Role] = {}
    found: list[Path] = []  # the folders of labels
    for top in tops:
        inner, pictures = layout.parts(top)
        alone = len(tops) == 1 and bool(inner) and not pictures
        if top in roles and not alone:
            asked[top] = roles[top]
        elif not inner or pictures:
            found.append(top)
        else:
            inside = roles_of(inner)
            if all(inside.get(folder) == "split" for folder in inner):  # label/train, label/test
                layout.notes.append(_split_inside(layout, top, inner, options))
                found.append(top)
                continue
            asked |= inside
            found += [folder for folder in inner if folder not in inside]
    _ask(layout, asked, options)
    _name_labels(layout, found)


def _name_labels(layout: Layout, folders: list[Path]) -> None:
    """Folders of one name are one label where they differ only in blanks at the ends or in Unicode form."""
    problems: list[str] = []
    for folder in folders:
        label = label_name(folder.name)
        before = layout.labels.get(label, [])
        if not label:
            problems.append(f"{shown(folder)}: a folder whose name is blank is no label; rename it")
        elif before and before[0].parent != folder.parent:
            problems.append(
                f'{shown(folder)}: label "{shown(label)}" already has the folder {shown(before[0])}; if both are one label, declare it '
                "in a labels.yaml; if not, rename one of them"
            )
        else:
            layout.add(label, folder)
    _refuse(problems)
    for label, several in layout.labels.items():
        if len(several) > 1:
            layout.notes.append(
                f'{shown(layout.root)}: {count(len(several), "folder")} read as one label "{shown(label)}": '
                f"{listed([_spelt(folder.name) for folder in several])}, which differ only in blanks or in Unicode form"
            )
        elif several[0].name != label:
            layout.facts.append((f'label "{shown(label)}"', f"folder {_spelt(several[0].name)}"))
    for group in near_equal(layout.labels):
        quoted = listed([f'"{label}"' for label in group])
        layout.notes.append(
            f"{shown(layout.root)}: {count(len(group), 'label')} that differ only in case or blanks: {quoted}; if they are one "
            "label, give one name to their folders, or declare one of them in a labels.yaml"
        )


def _spelt(name: str) -> str:
    """A name such that its blanks and accents show."""
    return '"' + "".join(sign if sign.isprintable() and sign.isascii() else f"\\u{ord(sign):04x}" for sign in name) + '"'


# --- with a label space -------------------------------------------------------------------------------------------------


class _Declared:
    """Finds the labels and groups of a label space among folders."""

    def __init__(self, space: LabelSpace):
        self.space = space
        self.groups = {group.name: group for group in space.groups}
        self.labels = KnownNames(space.labels)
        self.group_names = KnownNames(self.groups)
        self.problems: list[str] = []
        self.asked: dict[Path, Role] = {}

    def lay_out(self, layout: Layout, options: ReadOptions) -> None:
        tops = [*layout.parts(layout.root)[0], *self._declared_system(layout, layout.root)]
        unknown = [top for top in tops if self._known(top) is None]
        roles = roles_of(unknown)
        if len(unknown) == len(tops):
            _refuse_splits(layout, tops, {top: role for top, role in roles.items() if role == "split"})
        for top in sorted(tops):
            if top in roles and not self._holds_labels(layout, top):
                self.asked[top] = roles[top]
            else:
                self._add_top(layout, top)
        _refuse(self.problems)
        _ask(layout, self.asked, options)
        for label, several in layout.labels.items():
            if len(several) > 1:
                layout.notes.append(
                    f'{shown(layout.root)}: {count(len(several), "folder")} read as one label "{shown(label)}": '
                    f"{layout.names(several)}"
                )

    def _add_top(self, layout: Layout, top: Path) -> None:
        inner, pictures = layout.parts(top)
        named = self.group_names.find(top.name)
        group = None if named is None else self.groups[named.name]
        label = self.labels.find(top.name)
        if group is not None and inner and not pictures and group.labels != (group.name,):
            names = KnownNames(group.labels)
            for folder in inner:
                self._add_inner(layout, folder, group, names)
        elif label is not None:
            self._add(layout, label, top)
        elif group is None:
            self._unknown_top(layout, top)
        elif pictures:
            self.problems.append(
                f'{shown(top)}: images of group "{group.name}" lie outside of its label folders: {listed(pictures)}; move each '
                f"into the folder of its label ({listed(group.labels)})"
            )
        else:
            layout.empty.append(layout.name(top))

    def _add_inner(self, layout: Layout, folder: Path, group: Group, names: KnownNames) -> None:
        label = names.find(folder.name)
        role = role_of(folder.name)
        if label is not None:
            self._add(layout, label, folder)
        elif role is not None:
            self.asked[folder] = role
        else:
            self.problems.append(
                f'{shown(folder)}: "{shown(folder.name)}" is not a label of group "{group.name}"{self._nearest(folder, group.labels)} '
                f"(its labels: {listed(group.labels)}); rename the folder or add the label"
            )

    def _add(self, layout: Layout, label: Match, folder: Path) -> None:
        layout.add(label.name, folder)
        if label.how == "case":
            layout.notes.append(
                f'{shown(folder)}: read as label "{shown(label.name)}", whose name differs only in case or blanks'
            )
        elif label.how == "form":
            layout.facts.append((f'label "{shown(label.name)}"', f"folder {_spelt(folder.name)}"))

    def _unknown_top(self, layout: Layout, top: Path) -> None:
        mend = "rename the folder or add the label"
        if self._holds_labels(layout, top):
            mend = f"its inner folders are, so give {shown(top)} as the folder of images"
        self.problems.append(
            f'{shown(top)}: "{shown(top.name)}" is neither a label nor a group of the label space'
            f"{self._nearest(top, [*self.space.labels, *self.groups])}; {mend}"
        )

    def _nearest(self, folder: Path, names: Sequence[str]) -> str:
        return nearest(folder.name, names) if len(self.problems) < _SHOWN else ""  # slow where there are many

    def _known(self, folder: Path) -> Match | None:
        return self.labels.find(folder.name) or self.group_names.find(folder.name)

    def _holds_labels(self, layout: Layout, top: Path) -> bool:
        inner = layout.parts(top)[0]
        return bool(inner) and all(self._known(folder) is not None for folder in inner)

    def _declared_system(self, layout: Layout, folder: Path) -> Iterator[Path]:
        """Folders that would pass for some of the system, but for being labels: "@home"."""
        for name in layout.tree.entries(folder).system:
            if name in self.space.labels and folder / name not in layout.closed:
                yield folder / name


# --- questions ----------------------------------------------------------------------------------------------------------


def _refuse_splits(layout: Layout, tops: Sequence[Path], roles: dict[Path, Role]) -> None:
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


def _ask(layout: Layout, asked: dict[Path, Role], options: ReadOptions) -> None:
    """Folders whose names are hardly those of labels: refuse them, or read them as their names suggest and say so."""
    if not asked:
        return
    root = shown(layout.root)
    if options.ambiguous == "refuse":
        lines = []
        for folder, role in asked.items():
            name = layout.name(folder)
            first, second = (f"--unlabelled {_quoted(name)} if no label of its images is known", f"--ignore {_quoted(name)} to leave it out")
            one, two = (first, second) if role == "unlabelled" else (second, first)
            lines.append(f"{name}: give {one}, {two}, or a labels.yaml that declares \"{shown(folder.name)}\" if it is a label")
        raise ObservationError(
            f"{root}: {count(len(asked), 'folder')} that may not be {'a label' if len(asked) == 1 else 'labels'}: "
            + "; ".join(lines)
            + " (in a config: data.unlabelled, data.ignore, labels)"
        )
    for folder, role in asked.items():
        name = layout.name(folder)
        if role == "unlabelled":
            layout.unlabelled.append(folder)
            read = f'read as images without known labels; give unlabelled=["{name}"] to say so, ignore=["{name}"] to leave it out'
        else:
            layout.set_aside.append(folder)
            read = f'left out; give ignore=["{name}"] to say so, unlabelled=["{name}"] if no label of its images is known'
        layout.notes.append(f'{root}: folder {name} is {read}, or a label space with "{shown(folder.name)}" if it is a label')


def _split_inside(layout: Layout, top: Path, inner: Sequence[Path], options: ReadOptions) -> str:
    leave = f"--ignore {_quoted(inner[-1].name)}" if options.ambiguous == "refuse" else f'ignore=["{shown(inner[-1].name)}"]'
    return (
        f"{shown(layout.root)}: folder {layout.name(top)} is read as one label with all images in {layout.names(inner)}; give "
        f"{leave}, for example, to leave some out"
    )


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f"\n... and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        raise ObservationError("\n".join(problems[:_SHOWN]) + more)
