"""Two graphs held against each other, node by node, in legal names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from harness.graph.diff import factors
from harness.graph.diff.fates import KINDS, Fate, Fates
from harness.graph.diff.matching import Matching
from harness.graph.diff.pair_of_paths import Paths
from harness.graph.diff.paths import explain
from harness.graph.diff.skeleton import COMMUTATIVE, Edge, Skeleton, skeleton
from harness.graph.legal.names import legalize
from harness.graph.model import Graph


@dataclass(frozen=True, slots=True)
class Change:
    """All nodes with the same fate."""

    kind: str
    what: str
    """Legal names."""
    why: str
    before: tuple[str, ...]
    """Names of nodes of the first graph."""
    after: tuple[str, ...]
    """Names of nodes of the second graph."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of each node."""

    formats: tuple[str, str]
    changes: tuple[Change, ...]
    counts: Mapping[str, int]
    """Kind → nodes of the first graph; ``added`` and ``unexplained``: of both."""
    nodes: tuple[int, int]
    """Legal nodes of each graph that compute from its inputs."""
    of_constants: tuple[int, int]
    """Legal nodes that compute with constants alone, which are no part of the comparison."""

    @property
    def unexplained(self) -> tuple[Change, ...]:
        """Return what nothing here explains."""
        return tuple(one for one in self.changes if one.kind == "unexplained")


def compare(before: Graph, after: Graph) -> Difference:
    """Return the structural difference of two graphs."""
    sides = skeleton(legalize(before), after.outputs), skeleton(legalize(after), before.outputs)
    matching = Matching(*sides, _inputs(before, after))
    fates = Fates()
    for a, b in matching.pairs.items():
        _pair(matching, a, b, fates)
    for side, own in enumerate((matching.pairs, matching.back)):
        _left_over(sides[side], own, fates, side)
    _fuse(sides, fates)
    return _difference(sides, fates)


def _inputs(before: Graph, after: Graph) -> dict[int, int]:
    """Return position of an input → position of its like: by name, else in order."""
    names = list(before.inputs), list(after.inputs)
    if set(names[0]) == set(names[1]):
        return {place: names[1].index(name) for place, name in enumerate(names[0])}
    return dict(enumerate(range(min(map(len, names)))))


def _pair(matching: Matching, a: int, b: int, fates: Fates) -> None:
    """Note what became of two cores and of the atoms in front of them."""
    sides = matching.before, matching.after
    cores = sides[0].cores[a], sides[1].cores[b]
    edges = [[matching.through(side, edge) for edge in cores[side].edges] for side in (0, 1)]
    fates.keep(a, b, sides[0].op(a))
    used: set[int] = set()
    pairs: list[factors.EdgePair] = []
    for place, edge in enumerate(edges[0]):
        other = _like(matching, edge, edges[1], used, place, commutes=sides[0].op(a) in COMMUTATIVE)
        if other is None:
            why = "it reads another value than in the other graph"
            for side, number in ((0, a), (1, b)):
                fates.put(side, number, Fate("unexplained", sides[side].op(number), why))
            continue
        used.add(other)
        pairs.append((edge, edges[1][other]))
    for one in factors.moved(sides, pairs, fates) if sides[0].op(a) == factors.PRODUCT else pairs:
        explain(Paths(sides, one, (a, b)), fates)


def _like(
    matching: Matching, edge: Edge, others: list[Edge], used: set[int], place: int, *, commutes: bool
) -> int | None:
    """Return the operand that corresponds to one of the first graph, nearest in its path among those that fit."""
    wanted = matching.like_of(edge.source)
    places = [n for n in (range(len(others)) if commutes else (place,)) if n < len(others) and n not in used]
    fitting = [n for n in places if others[n].source == wanted]
    words = _words(matching.before, edge)
    return min(fitting, key=lambda n: abs(len(_words(matching.after, others[n])) - len(words)), default=None)


def _words(side: Skeleton, edge: Edge) -> list[str]:
    """Return the operators of a path without its wires."""
    return [side.op(number) for number in edge.path if side.roles[number] != "wire"]


def _left_over(side: Skeleton, matched: Mapping[int, int], fates: Fates, number: int) -> None:
    """Note cores that have no like, and atoms that only lead to such."""
    for node in side.roles:
        if node not in side.live and node not in fates.of[number]:
            fates.put(number, node, Fate("added" if number else "removed", side.op(node), "no output depends on it"))
        elif node not in matched and node not in fates.of[number]:
            why = "it is in one of the graphs only" if side.roles[node] == "core" else "only what has no like reads it"
            fates.put(number, node, Fate("unexplained", side.op(node), why))
    for node in side.cores:
        if node < 0 and node not in matched:
            fates.put(number, node, Fate("unexplained", "Output", f"the output '{side.name(node)}' has no like"))


def _fuse(sides: tuple[Skeleton, Skeleton], fates: Fates) -> None:
    """Turn ``kept`` into ``fused`` and ``split`` where one raw operator stands for several of the other graph."""
    pairs = [(a, b) for a, b in fates.kept if a >= 0]
    for side, kind in ((1, "fused"), (0, "split")):
        groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for pair in pairs:
            groups[sides[side].legal.origins[pair[side]]].append(pair)
        for origin, group in groups.items():
            group.sort(key=lambda pair: pair[side])
            apart = {sides[1 - side].legal.origins[pair[1 - side]] for pair in group}
            if len(apart) < 2:
                continue
            raw = sides[side].legal.raw.nodes[origin].op
            head = sides[1 - side].legal.origins[group[0][1 - side]]
            for a, b in group[1:]:
                if sides[1 - side].legal.origins[(a, b)[1 - side]] != head:
                    _replace(fates, (a, b), kind, raw)


def _replace(fates: Fates, pair: tuple[int, int], kind: str, raw: str) -> None:
    for side in (0, 1):
        old = fates.of[side][pair[side]]
        if old.kind == "kept":
            what = f"{old.what} → {raw}" if kind == "fused" else f"{raw} → {old.what}"
            why = "a part of one operator" if kind == "fused" else "it was a part of one operator"
            fates.of[side][pair[side]] = Fate("fused" if kind == "fused" else "split", what, why)


def _difference(sides: tuple[Skeleton, Skeleton], fates: Fates) -> Difference:
    groups: dict[Fate, tuple[list[str], list[str]]] = {}
    counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for side in (0, 1):
        for node, fate in sorted(fates.of[side].items()):
            if node < 0 and fate.kind == "kept":
                continue
            groups.setdefault(fate, ([], []))[side].append(sides[side].name(node))
            counts[fate.kind] += side == 0 or fate.kind in ("added", "unexplained")
    order = {kind: place for place, kind in enumerate(KINDS)}
    found = [Change(fate.kind, fate.what, fate.why, tuple(a), tuple(b)) for fate, (a, b) in groups.items()]
    found.sort(key=lambda one: (order[one.kind], -max(len(one.before), len(one.after)), one.what))  # type: ignore[index]
    graphs = [side.legal for side in sides]
    running = [len(legal.running) for legal in graphs]
    return Difference(
        formats=(graphs[0].graph.format, graphs[1].graph.format),
        changes=tuple(found),
        counts=dict(counts),
        nodes=(running[0], running[1]),
        of_constants=(len(graphs[0].graph.nodes) - running[0], len(graphs[1].graph.nodes) - running[1]),
    )
