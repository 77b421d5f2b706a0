"""What became of arithmetic with constants between two cores: biases, batch norms, scales."""

from __future__ import annotations

import numpy as np

from harness.graph.diff import affine
from harness.graph.diff.affine import Affine
from harness.graph.diff.fates import Fate, Fates
from harness.graph.diff.pair_of_paths import Paths, gone, unexplained


def explain(paths: Paths, fates: Fates) -> None:
    """Note the fates of affine atoms: what both have is kept, the rest must have gone somewhere."""
    rest = [paths.atoms(0, "affine"), paths.atoms(1, "affine")]
    rest = _without_common(paths, rest, fates)
    idle = [[n for n in rest[side] if paths.does(side, [n]).is_nothing] for side in (0, 1)]
    for side in (0, 1):
        fates.puts(side, idle[side], lambda n, s=side: gone(s, paths.node(s, n).op, "plus zeros, times ones"))  # type: ignore[misc]
    rest = _without_common(paths, [[n for n in rest[side] if n not in idle[side]] for side in (0, 1)], fates)
    if rest[0] or rest[1]:
        _changed(paths, rest[0], rest[1], fates)


def _without_common(paths: Paths, rest: list[list[int]], fates: Fates) -> list[list[int]]:
    """Strip what both end and begin with."""
    rest = _stripped(paths, rest[0], rest[1], fates, last=True)
    return _stripped(paths, rest[0], rest[1], fates, last=False)


def _ops(paths: Paths, side: int, nodes: list[int]) -> list[str]:
    return [paths.node(side, number).op for number in nodes]


def _stripped(paths: Paths, a: list[int], b: list[int], fates: Fates, *, last: bool) -> list[list[int]]:
    """Strip what both begin (``last``: end) with; values must agree as far as they are known."""
    place = -1 if last else 0
    a, b = list(a), list(b)
    while a and b:
        one, other = a[place], b[place]
        op = paths.node(0, one).op
        if op != paths.node(1, other).op or not _may_be_same(paths, one, other, exact=_ops_differ(paths, a, b)):
            break
        fates.keep(one, other, op)
        a.pop(place)
        b.pop(place)
    return [a, b]


def _ops_differ(paths: Paths, a: list[int], b: list[int]) -> bool:
    return _ops(paths, 0, a) != _ops(paths, 1, b)


def _may_be_same(paths: Paths, one: int, other: int, *, exact: bool) -> bool:
    """Return whether two atoms do the same; behind a product a bias may take what was folded, unless ``exact``."""
    same = paths.does(0, [one]).same_as(paths.does(1, [other]))
    if same is False:
        return not exact and paths.source_product() is not None
    return True


def _changed(paths: Paths, a: list[int], b: list[int], fates: Fates) -> None:
    """Note the fate of arithmetic that differs: rewritten, folded back, folded on, or unexplained."""
    does = paths.does(0, a), paths.does(1, b)
    same = does[0].same_as(does[1])
    alike = (does[0].scales, does[0].shifts) == (does[1].scales, does[1].shifts)
    front, behind = paths.source_product(), paths.target_product()
    if a and b and (same or alike):
        _rewritten(paths, (a, b), fates, same)
    elif front is not None and (_shift_survives(does) or _kept_bias_may_hold_it(paths, (a, b))):
        _folded(paths, (a, b), fates, front, "the kernel and bias in front of it")
    elif behind is not None and _only_scale(does):
        _folded(paths, (a, b), fates, behind, "the kernel behind it")
    else:
        why = "no neighbour can have taken it" if not (a and b) else "the other graph does something else here"
        if front is not None and any(one.shift is None for one in does):
            why = "it may add zeros only, but its values are not in the file that is read"
        for side, nodes in ((0, a), (1, b)):
            fates.puts(side, nodes, lambda n, s=side: unexplained(paths, s, n, why))  # type: ignore[misc]


def _rewritten(paths: Paths, nodes: tuple[list[int], list[int]], fates: Fates, same: bool | None) -> None:
    what = f"{' + '.join(_ops(paths, 0, nodes[0]))} → {' + '.join(_ops(paths, 1, nodes[1]))}"
    words = {True: ", with the same values", False: ", with other values", None: ""}[same]
    for side in (0, 1):
        fates.puts(side, nodes[side], lambda _: Fate("rewritten", what, f"the same arithmetic with constants{words}"))


def _shift_survives(does: tuple[Affine, Affine]) -> bool:
    """Return whether a bias is there on both sides, or is known to be zero where it is not."""
    return all(one.shifts or not other.shifts or _is_zero(other) for one, other in (does, does[::-1]))


def _kept_bias_may_hold_it(paths: Paths, rest: tuple[list[int], list[int]]) -> bool:
    """Return whether a bias that was taken to be the same is unknown, so that it may hold what was folded."""
    kept = [[n for n in paths.atoms(side, "affine") if n not in rest[side]] for side in (0, 1)]
    does = [paths.does(side, kept[side]) for side in (0, 1)]
    return all(one.shifts for one in does) and any(one.shift is None for one in does)


def _is_zero(one: Affine) -> bool:
    return one.shift is not None and bool(np.all(np.abs(one.shift) <= 1e-7))


def _only_scale(does: tuple[Affine, Affine]) -> bool:
    """Return whether both sides move the values by the same, so that a kernel can take the rest."""
    shifts = does[0].shift, does[1].shift
    if shifts[0] is None or shifts[1] is None:
        return False
    return all(_is_zero(one) for one in does)


def _folded(paths: Paths, nodes: tuple[list[int], list[int]], fates: Fates, op: str, where: str) -> None:
    """Note what went into a product of the second graph, or came out of one of the first."""
    words, sizes = _values_say(paths), (len(nodes[0]), len(nodes[1]))
    forth = sizes[0] > sizes[1] or (sizes[0] == sizes[1] and paths.does(0, nodes[0]).scales)
    why = f"its numbers {'are' if forth else 'were'} in {where}{words}"
    gone, come = (why, "it took what was folded") if forth else (f"it took its numbers in {where}", why)
    fates.puts(0, nodes[0], lambda n: Fate("folded", f"{paths.node(0, n).op} → {op}", gone))
    fates.puts(1, nodes[1], lambda n: Fate("added", f"{op} → {paths.node(1, n).op}", come))


def _values_say(paths: Paths) -> str:
    """Return whether what is added behind the product is the same in both graphs, as far as that is known."""
    if paths.source_product() is None:
        return ""
    shifts = [paths.does(side, paths.atoms(side, "affine")).shift for side in (0, 1)]
    if shifts[0] is None or shifts[1] is None:
        return ""
    return ", with the bias that this gives" if affine.close(shifts[0], shifts[1]) else ", with another bias"
