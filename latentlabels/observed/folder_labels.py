"""Which folder of an ImageFolder is which label, before any image is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import LabelSpaceError, ObservationError, nearest
from ..space import Group, LabelSpace, OneOf
from ..space.groups import NONE
from ..words import count, listed, shown
from .folder_layout import Layout, ask, read_as_named, refuse_splits, roles_of, split_inside, stated_folders
from .folder_roles import Role, is_train, role_of
from .image_files import Tree
from .names import KnownNames, Match, label_name, near_equal
from .options import ReadOptions

_SHOWN = 10  # problems that one error lists


def lay_out(root: Path, space: LabelSpace | None, options: ReadOptions, tree: Tree) -> Layout:
    """Find the folder of each label.

    Raises:
        ObservationError: folders that are no labels of the space, that can mean two things, or that the user names and are
            not there; all of them are listed.
    """
    layout = Layout(root, tree)
    layout.ignored = stated_folders(root, options.ignore, tree, None)
    unlabelled = stated_folders(root, options.unlabelled, tree, "unlabelled")
    layout.unlabelled = [folder for folder in unlabelled if folder not in layout.ignored]
    if space is None:
        _free(layout, options)
    else:
        _Declared(space).lay_out(layout)
    return layout


# --- without a label space ----------------------------------------------------------------------------------------------


def _free(layout: Layout, options: ReadOptions) -> None:
    tops = layout.parts(layout.root)[0]
    roles = roles_of(tops)
    refuse_splits(layout, tops, roles)
    _without_lone_train(layout, roles)
    asked: dict[Path, Role] = {}
    found: list[Path] = []  # the folders of labels
    parts: dict[Path, list[Path]] = {}
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
                parts[top] = inner
                found.append(top)
                continue
            asked |= inside
            found += [folder for folder in inner if folder not in inside]
    ask(layout, asked, options)
    if parts:
        layout.notes.append(split_inside(layout, parts))
    _name_labels(layout, found)


def _without_lone_train(layout: Layout, roles: dict[Path, Role]) -> None:
    """A folder of pictures called "train" beside those of labels, and no other part of a split: the vehicle."""
    parts = [top for top, role in roles.items() if role == "split"]
    if len(parts) != 1 or not is_train(parts[0].name) or layout.parts(parts[0])[0]:
        return
    del roles[parts[0]]
    name = layout.name(parts[0])
    layout.notes.append(
        f"folder {name} is read as a label, because no other folder is part of a split; if it is none, give --ignore {name} "
        f"or --unlabelled {name} (in Python, ignore or unlabelled)"
    )


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
                f'{shown(folder)}: label "{shown(label)}" already has the folder {shown(before[0])}; if both are one label, '
                "declare it in a labels.yaml; if not, rename one of them"
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
            f"{shown(layout.root)}: {count(len(group), 'label')} that differ only in case, blanks or hyphens: {quoted}; if "
            "they are one label, give one name to their folders, or declare one of them in a labels.yaml"
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
        own = [group.none for group in space.groups if isinstance(group, OneOf) and group.none is not None]
        self.outcomes = KnownNames([NONE, *own])
        self.problems: list[str] = []
        self.asked: dict[Path, Role] = {}

    def lay_out(self, layout: Layout) -> None:
        tops = [*layout.parts(layout.root)[0], *self._declared_system(layout, layout.root)]
        unknown = [top for top in tops if self._known(top) is None]
        roles = roles_of(unknown)
        if len(unknown) == len(tops):
            refuse_splits(layout, tops, {top: role for top, role in roles.items() if role == "split"})
        for top in sorted(tops):
            to_give = (is_train(top.name) or len(unknown) == len(tops)) and self._holds_labels(layout, top)
            if top in roles and not to_give:
                self.asked[top] = roles[top]
            else:
                self._add_top(layout, top)
        _refuse(self.problems)
        if self.asked:
            layout.notes.append(
                f"{shown(layout.root)}: {count(len(self.asked), 'folder')} that the label space does not declare, read by "
                f"name: {read_as_named(layout, self.asked)} (`unlabelled` and `ignore` say otherwise)"
            )
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
        elif group is None and self._add_empty_outcome(layout, top, None):
            pass
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
        elif self._add_empty_outcome(layout, folder, group.name):
            pass
        elif role is not None:
            self.asked[folder] = role
        else:
            self.problems.append(
                f'{shown(folder)}: "{shown(folder.name)}" is not a label of group "{group.name}"'
                f"{self._nearest(folder, group.labels)} (its labels: {listed(group.labels)}); rename the folder or add the "
                f"label{_HINT if group.optional else ''}"
            )

    def _add(self, layout: Layout, label: Match, folder: Path) -> None:
        layout.add(label.name, folder)
        if label.how == "case":
            layout.notes.append(
                f'{shown(folder)}: read as label "{shown(label.name)}", whose name differs only in case or blanks'
            )
        elif label.how == "form":
            layout.facts.append((f'label "{shown(label.name)}"', f"folder {_spelt(folder.name)}"))

    def _add_empty_outcome(self, layout: Layout, folder: Path, group: str | None) -> bool:
        """Whether a folder names the empty outcome of a group: no label of it is present in these images."""
        name = self.outcomes.find(folder.name)
        if name is None:
            return False
        try:
            found = self.space.empty_outcome(name.name, group)
        except LabelSpaceError as error:
            self.problems.append(f"{shown(folder)}: {error}; or put the folder into the folder of its group")
            return True
        if found is not None:
            layout.none.setdefault(found.name, []).append(folder)
            layout.facts.append((f"folder {layout.name(folder)}", f'images without a label of group "{found.name}"'))
        return found is not None

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


_HINT = ", or call the folder none if its images show none of them"


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f"\n... and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        raise ObservationError("\n".join(problems[:_SHOWN]) + more)
