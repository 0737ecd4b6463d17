"""A label space that known labels suggest: which labels exclude each other, require another one, or exclude all others.

Labels that independence would have put together often, and that never are, look exclusive. Each line of a `Proposal` carries
its evidence: what was seen, and what was to be expected. If all labels were independent, a line would be proposed for at most
a share `level` of data sets, by Bonferroni's inequality over all that is looked at. Evidence is no proof: two data sets put
together never show labels of both in one image.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np
import yaml

from ..errors import LabelSpaceError
from ..observed import Observed
from ..observed.contradictions import impossible
from ..observed.none_of_them import means_none
from ..space import Free, Group, LabelSpace, OneOf
from ..space.entries import to_entry
from ..words import percent
from .co_occurrence import CoOccurrence, co_occurrence, never_together, threshold
from .finding import Finding, Kind, Severity
from .sentences import sentence

_COMPLETE = 30  # images that each show one label of a group, from which on every image is taken to show one


@dataclass(frozen=True)
class Proposal:
    """A label space for known labels, with the evidence for each of its groups.

    Attributes:
        space: the proposed space, of the same labels.
        evidence: for each group of the space what speaks for it; () for a free label without a proposal.
        notes: what known labels do not tell.
        level: the largest share of data sets of independent labels for which any line would be proposed.
    """

    space: LabelSpace
    evidence: tuple[tuple[Finding, ...], ...]
    notes: tuple[Finding, ...]
    level: float

    @property
    def is_new(self) -> bool:
        """Whether anything is proposed that was not declared before."""
        return any(one.kind is not Kind.DECLARED for found in self.evidence for one in found)

    def to_yaml(self) -> str:
        """A labels.yaml, with the evidence for each group as comments."""
        lines = [_comment(sentence(note)) for note in self.notes]
        if self.is_new:
            text = "Lines with evidence are proposals: check them, and give the groups better names. If all labels were "
            text += f"independent, chance would propose a line for at most {percent(self.level)} of data sets."
            lines.append(_comment(text))
        for group, found in zip(self.space.groups, self.evidence, strict=True):
            lines += [_comment(sentence(one)) for one in found]
            entry = yaml.safe_dump(to_entry(group), default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**9)
            lines.append(f"- {entry.strip()}")
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        groups = [
            {**to_entry(group), "evidence": [one.to_dict() for one in found]}
            for group, found in zip(self.space.groups, self.evidence, strict=True)
        ]
        return {"level": self.level, "labels": groups, "notes": [note.to_dict() for note in self.notes]}


def propose(observed: Observed, level: float = 0.01) -> Proposal:
    """Propose a label space from known labels.

    Groups that the space of `observed` declares stay, as do those that a table has a column for. Only free labels
    without declarations are looked at.

    Args:
        observed: the known labels.
        level: the false-alarm rate of the whole proposal where labels are independent.
    """
    space = observed.space
    tied = {label for group in space.groups for label in (*group.required, *_listed(group.excludes))}
    labels = [
        group.label
        for group in space.groups
        if isinstance(group, Free) and group.excludes is None and space.parent(group) is None and group.label not in tied
    ]
    seen = co_occurrence(observed.known, [space.index(label) for label in labels])
    draft = _Draft(observed, seen)
    if not seen.compared:
        for label in labels:
            if means_none(label):
                draft.exclude_all(_never_with_others(observed, label, None))
        return draft.proposal([Finding(Kind.NOTHING, Severity.LOOK, facts={"num_images": len(observed)})], level)
    share = level / 3  # of labels that exclude all others, of groups and of requirements
    for finding in _that_exclude_all(observed, seen, labels, share):
        draft.exclude_all(finding)
    rest = [number for number, label in enumerate(labels) if label not in draft.lone]
    for group, expected in never_together(seen, rest, share):
        facts = {"expected": expected, "num_images": seen.compared}
        draft.group(Finding(Kind.EXCLUSIVE, Severity.LOOK, tuple(labels[number] for number in group), facts))
    notes = draft.require_all(seen, share) if len(seen.values) else [Finding(Kind.NO_ABSENCES, Severity.LOOK)]
    least = threshold(len(rest) ** 2, share)
    few = tuple(labels[number] for number in rest if seen.expected[number].sum() <= least)
    if few:
        notes.append(Finding(Kind.UNDECIDED, Severity.LOOK, few, {"num_labels": len(labels)}))
    return draft.proposal(notes, level)


def _listed(labels: str | tuple[str, ...] | None) -> Sequence[str]:
    return () if labels is None or isinstance(labels, str) else labels


def _that_exclude_all(observed: Observed, seen: CoOccurrence, labels: Sequence[str], level: float) -> list[Finding]:
    """Labels that are never known with another one, though others are known with each other."""
    row, column = observed.known.entries(1)
    alone = seen.sizes[row] == 1
    found = []
    for label in labels:
        mine = column == observed.space.index(label)
        number = int(mine.sum())
        if not number or not alone[mine].all():
            continue
        share = float(alone[~mine].mean()) if number < len(mine) else 1.0  # of the known labels of others, those alone
        if number * -math.log(max(share, 1e-300)) > threshold(len(labels), level):
            found.append(_never_with_others(observed, label, share))
        elif means_none(label):
            found.append(_never_with_others(observed, label, None))
    return found


def _never_with_others(observed: Observed, label: str, others_alone: float | None) -> Finding:
    present = int(observed.known.counts()[0][observed.space.index(label)])
    return Finding(Kind.EXCLUDES_ALL, Severity.LOOK, (label,), {"num_images": present, "others_alone": others_alone})


class _Draft:
    """A label space in the making: each line that is added leaves a forest with which all known labels agree, or is left out.

    Args:
        observed: the known labels.
        seen: of its free labels.
    """

    def __init__(self, observed: Observed, seen: CoOccurrence):
        self.observed, self.values = observed, seen.values
        self.lone: set[str] = set()
        self.groups = list(observed.space.groups)
        self.evidence: dict[str, list[Finding]] = {}
        for group in self.groups:
            if isinstance(group, OneOf) or group.required or group.excludes:
                self.evidence[group.name] = [_declared(group, observed)]

    def exclude_all(self, finding: Finding) -> None:
        """A label excludes all others."""
        (label,) = finding.labels
        changed = [Free(label, excludes="all") if group.name == label else group for group in self.groups]
        if self._take(changed, label, finding):
            self.lone.add(label)

    def group(self, finding: Finding) -> None:
        """Labels exclude each other; where all of them are known, every image shows one, or some show none."""
        first = min(number for number, group in enumerate(self.groups) if group.name in finding.labels)
        taken = {name for group in self.observed.space.groups for name in (group.name, *group.labels)}
        name = _group_name(finding.labels, taken | {group.name for group in self.groups})
        always, never = self._with_one(finding.labels, None)
        finding = replace(finding, facts={**finding.facts, "with_one": always, "with_none": never})
        for optional in (False, True) if always >= _COMPLETE and not never else (True,):
            new = OneOf(name, finding.labels, optional)
            rest = [new if number == first else group for number, group in enumerate(self.groups)]
            if self._take([group for group in rest if group.name not in finding.labels], name, finding):
                return

    def require_all(self, seen: CoOccurrence, level: float) -> list[Finding]:
        """Add what groups require; return what looks like one label under two names."""
        found, notes = _required(self.groups, self.lone, self.observed.space, seen, level)
        for name, finding in found:
            group = next(one for one in self.groups if one.name == name)
            above = finding.facts["required"]
            if isinstance(group, OneOf):
                always, never = self._with_one(group.labels, above)
                optional = group.optional and not (always >= _COMPLETE and not never)
                choices: list[Group] = [OneOf(name, group.labels, one, above, group.none) for one in {optional, True}]
                choices.sort(key=lambda one: one.optional)
            else:
                choices = [Free(name, above)]
            any(self._take([new if one.name == name else one for one in self.groups], name, finding) for new in choices)
        return notes

    def _with_one(self, labels: Sequence[str], above: str | None) -> tuple[int, int]:
        """How many images show one of these labels, and how many none, where all are known and apply."""
        columns = [self.observed.space.index(label) for label in labels]
        rows = (self.values[:, columns] != -1).all(1)
        rows &= ~(self.values[:, [self.observed.space.index(label) for label in self.lone]] == 1).any(1)
        if above is not None:
            rows &= self.values[:, self.observed.space.index(above)] == 1
        one = (self.values[rows][:, columns] == 1).any(1)
        return int(one.sum()), int((~one).sum())

    def _take(self, groups: list[Group], name: str, finding: Finding) -> bool:
        try:
            space = LabelSpace(groups)
        except LabelSpaceError:
            return False
        order = [self.observed.space.index(label) for label in space.labels]
        if len(impossible(self.observed.known.in_columns(order), space)):
            return False
        self.groups = groups
        self.evidence.setdefault(name, []).append(finding)
        return True

    def proposal(self, notes: Sequence[Finding], level: float) -> Proposal:
        """What it has come to."""
        evidence = tuple(tuple(self.evidence.get(group.name, ())) for group in self.groups)
        return Proposal(LabelSpace(self.groups), evidence, tuple(notes), level)


def _declared(group: Group, observed: Observed) -> Finding:
    row, column = observed.known.entries(1)
    shown = np.unique(row[np.isin(column, observed.space.columns(group))])
    return Finding(Kind.DECLARED, Severity.FINE, group.labels, {"num_images": len(shown)})


def _required(
    groups: Sequence[Group], lone: set[str], space: LabelSpace, seen: CoOccurrence, level: float
) -> tuple[list[tuple[str, Finding]], list[Finding]]:
    """For groups that require nothing a label without which they are never known to be present, and labels never apart."""
    both, mine, together = seen.pairs
    share = (mine.diagonal() + 1) / (both.diagonal() + 2)
    units = [group for group in groups if not group.required and not group.excludes]
    least = threshold(len(units) * space.num_labels, level)
    holds: dict[str, dict[int, int]] = {}  # of each group: the labels without which it is never present, and in how many rows
    for group in units:
        own = space.columns(group)
        asked = mine[own].sum(0)
        always = (mine[own] == together[own]).all(0) & (asked * -np.log(share) > least)
        always[own] = False
        always[[space.index(label) for label in lone]] = False
        holds[group.name] = {int(k): int(asked[k]) for k in np.flatnonzero(always)}
    found, notes = [], []
    for name, above in sorted(holds.items(), key=lambda entry: -max(entry[1].values(), default=0)):
        mutual = [k for k in above if isinstance(space.group_of(space.labels[k]), Free) and _both(holds, space, name, k)]
        notes += [
            Finding(Kind.ALWAYS_TOGETHER, Severity.LOOK, (name, space.labels[k]), {"num_images": above[k]})
            for k in mutual
            if name in space.labels and space.index(name) < k
        ]
        left = [k for k in above if k not in mutual]
        if left:
            rarest = min(left, key=lambda k: float(share[k]))
            facts = {"required": space.labels[rarest], "num_images": above[rarest], "share": float(share[rarest])}
            group = next(one for one in units if one.name == name)
            found.append((name, Finding(Kind.REQUIRES, Severity.LOOK, group.labels, facts)))
    return found, notes


def _both(holds: Mapping[str, Mapping[int, int]], space: LabelSpace, name: str, column: int) -> bool:
    return name in space.labels and space.index(name) in holds.get(space.labels[column], {})


def _group_name(labels: Sequence[str], taken: set[str]) -> str:
    """What the labels' names begin with, if that is a word ("colour_red", "colour_blue"), or "group 1"."""
    columns = takewhile(lambda letters: len(set(letters)) == 1, zip(*labels, strict=False))
    word = re.match(r"(.*[^\W_])[\W_]+", "".join(letters[0] for letters in columns))
    name = word[1] if word is not None else ""
    if name and name not in taken:
        return name
    return next(name for number in range(1, 10**6) if (name := f"group {number}") not in taken)


def _comment(text: str) -> str:
    return "# " + " ".join(text.split())
