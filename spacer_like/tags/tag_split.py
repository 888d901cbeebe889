"""What each tag learns from: its examples, what it is told from, and which of them are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_table import OTHER_TRAINING, OTHER_VALIDATION
from spacer_like.learning.linear_tags import NEGATIVE, NOT_USED, POSITIVE
from spacer_like.learning.split import first_for_test, hash_position, names_of_groups
from spacer_like.tags.labelled_images import LabelledImages

Targets = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class TagExamples:
    """The examples of some tags.

    Attributes:
        tags: [tags].
        targets: int8 [n, tags] `POSITIVE`, `NEGATIVE` or `NOT_USED` of all images.
        is_test: bool [n, tags] images that a tag's figures are of.
        is_trained: bool [n, tags] images that it learns from; where nothing else is left, those of the test too.
    """

    tags: list[str]
    targets: Targets
    is_test: NDArray[np.bool_]
    is_trained: NDArray[np.bool_]

    @property
    def train_targets(self) -> Targets:
        """`targets` of the images that a tag learns from; the others are `NOT_USED`."""
        return np.where(self.is_trained, self.targets, np.int8(NOT_USED))

    @property
    def is_held_out(self) -> NDArray[np.bool_]:
        """Whether a tag's figures are of an image that it has not learnt from."""
        return self.is_test & ~self.is_trained

    def of_tags(self, kept: Sequence[int] | NDArray[np.intp]) -> TagExamples:
        """Those of some of the tags, by their indices."""
        tags = [self.tags[tag] for tag in kept]
        return TagExamples(tags, self.targets[:, kept], self.is_test[:, kept], self.is_trained[:, kept])


def tag_targets(images: LabelledImages, tags: Sequence[str], negatives: str) -> Targets:
    """What each image is to each tag: int8 [n, tags].

    Args:
        negatives: ``other-training``: a tag is told from images of that tag; ``rest``: from all that do not have it,
            but for those of ``other-validation``. An image of which a person said no is told from it in any case; one
            of which only answers are known is nothing to the tags that nobody was asked about.
    """
    is_other = images.has(OTHER_TRAINING) if negatives == OTHER_TRAINING else ~images.has(OTHER_VALIDATION)
    found = np.full((len(images), len(tags)), NOT_USED, np.int8)
    found[is_other] = NEGATIVE
    found[sorted(images.only_answered)] = NOT_USED
    for column, tag in enumerate(tags):
        found[images.answered(tag, False), column] = NEGATIVE
        found[images.has(tag), column] = POSITIVE
    return found


def split_by_order(images: LabelledImages, tags: Sequence[str], targets: Targets, share: float) -> TagExamples:
    """The first images of each tag are held out, and the first ones that it is told from, as image-tagging-tools does.

    Where nothing is left to learn from, all are learnt from too. Images that a person answered about are learnt from.
    """
    is_test, is_trained = np.zeros(targets.shape, bool), np.zeros(targets.shape, bool)
    others = images.rows_of_tag.get(OTHER_TRAINING, [])
    for column, tag in enumerate(tags):
        answered = {row for (row, about) in images.answers if about == tag}
        negatives = [row for row in others if targets[row, column] == NEGATIVE]
        known = set(negatives)
        negatives += [row for row in np.flatnonzero(targets[:, column] == NEGATIVE).tolist() if row not in known]
        for rows in (images.rows_of_tag.get(tag, []), negatives):
            asked = [row for row in rows if row not in answered]
            is_trained[[row for row in rows if row in answered], column] = True
            if asked:
                train, test = first_for_test(len(asked), share)
                is_trained[np.array(asked)[train], column] = True
                is_test[np.array(asked)[test], column] = True
    return TagExamples(list(tags), targets, is_test, is_trained)


def split_by_pixels(
    images: LabelledImages,
    tags: Sequence[str],
    targets: Targets,
    share: float,
    groups: NDArray[np.integer],
    seed: int,
) -> TagExamples:
    """Images are held out by a hash of their pixels, near duplicates together; adding images moves hardly any.

    Where a tag would have nothing to test, its group with the lowest hash is held out; where it would have nothing to
    learn from, the one with the highest is learnt from; its only group is both. Groups with an image that a person
    answered about are learnt from.

    Args:
        groups: [n] equal numbers for near duplicates.
        seed: another one gives another division.
    """
    names, group = np.unique(names_of_groups(images.hashes, groups), return_inverse=True)
    position = np.array([hash_position(name, seed) for name in names.tolist()])
    is_test, is_trained = np.zeros(targets.shape, bool), np.zeros(targets.shape, bool)
    for column, tag in enumerate(tags):
        answered = np.zeros(len(names), bool)
        answered[group[[row for (row, about) in images.answers if about == tag]]] = True
        held = (position < share) & ~answered
        kinds = [np.unique(group[targets[:, column] == kind]) for kind in (POSITIVE, NEGATIVE)]
        for own in kinds:
            free = own[~answered[own]]
            if len(free) and not held[own].any():
                held[free[position[free].argmin()]] = True
        learnt = ~held
        for own in kinds:
            if len(own) and not learnt[own].any():
                last = own[position[own].argmax()]
                learnt[last] = True
                held[last] = len(own) == 1
        used = targets[:, column] != NOT_USED
        is_test[:, column], is_trained[:, column] = held[group] & used, learnt[group] & used
    return TagExamples(list(tags), targets, is_test, is_trained)
