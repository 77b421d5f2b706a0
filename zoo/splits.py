"""Stratified, seeded splitting of labelled samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def stratified(labels: ArrayLike, sizes: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """Divide the sample numbers 0…N-1 into disjoint parts of exactly ``sizes``, plus a last one: the rest.

    Each part has the classes in the proportion of the whole, to within one sample a class.
    Sample numbers come in seeded random order. The same labels and seed give the same parts for ever
    (NumPy's legacy generator, whose stream is frozen).

    Raises:
        ValueError: the sizes ask for more samples than there are.
    """
    classes = np.asarray(labels)
    if sum(sizes) > len(classes):
        raise ValueError(f"cannot take {sum(sizes)} samples out of {len(classes)}")
    random = np.random.RandomState(seed)
    left = random.permutation(len(classes)).astype(np.int64)
    parts = []
    for size in sizes:
        taken = _share(classes[left], size)
        parts.append(left[taken])
        left = left[~taken]
    return [*parts, left]


def _share(labels: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Mark ``size`` of the samples, the first ones of each class, by largest remainder."""
    names, counts = np.unique(labels, return_counts=True)
    wanted = counts * (size / max(1, len(labels)))
    quota = np.floor(wanted).astype(np.int64)
    for index in np.argsort(quota - wanted, kind="stable")[: size - quota.sum()]:
        quota[index] += 1
    taken = np.zeros(len(labels), np.bool_)
    for name, number in zip(names, quota, strict=True):
        taken[np.flatnonzero(labels == name)[:number]] = True
    return taken
