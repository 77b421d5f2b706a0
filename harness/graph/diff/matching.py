"""Which core of one graph is which core of another: from the inputs onwards, each by what it reads and what it is.

Where one graph has a core more, such as an activation, the search goes on behind it; where nothing fits, what is left
is aligned in order, and the edges that do not correspond are told later.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from harness.graph.diff.skeleton import COMMUTATIVE, Core, Edge, Skeleton, Source

_MORE = 3
"""Cores that one graph may have more than the other in a row."""
_ROUNDS = 4


class Matching:
    """Pairs of cores. ``pairs`` goes from the first graph to the second; ``skipped`` cores have no like."""

    def __init__(self, before: Skeleton, after: Skeleton, inputs: dict[int, int]) -> None:
        self.before, self.after = before, after
        self.pairs: dict[int, int] = {}
        self.back: dict[int, int] = {}
        self.skipped: tuple[set[int], set[int]] = (set(), set())
        """Cores of each graph with one operand that paths lead through."""
        self._inputs = inputs
        self._colors = _colors(before), _colors(after)
        self._run()

    def _run(self) -> None:
        self._propagate()
        while (pair := self._next_in_order()) is not None:
            self._pair(*pair)
            self._propagate()

    def _pair(self, a: int, b: int) -> None:
        self.pairs[a], self.back[b] = b, a

    def _propagate(self) -> None:
        for number, core in self.before.cores.items():
            if number in self.pairs or number in self.skipped[0]:
                continue
            wanted = self.wanted(core)
            if wanted is None:
                continue
            found = self._like(core, wanted)
            found = self._like_behind(core, wanted) if found is None else found
            if found is not None:
                self._pair(number, found)
            elif len(core.edges) == 1 and not core.is_output:
                self.skipped[0].add(number)

    def through(self, side: int, edge: Edge) -> Edge:
        """Return an edge with the skipped cores on its way as part of its path."""
        cores = (self.before, self.after)[side].cores
        while edge.source[0] == "core" and edge.source[1] in self.skipped[side]:
            core = cores[edge.source[1]]
            before = core.edges[0]
            edge = Edge(before.source, (*before.path, core.node, *edge.path))
        return edge

    def wanted(self, core: Core) -> list[Source] | None:
        """Return the sources that the like of ``core`` must have, None when one of them has no like."""
        found = [self.like_of(self.through(0, edge).source) for edge in core.edges]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def like_of(self, source: Source) -> Source | None:
        """Return what a source of the first graph is in the second."""
        kind, number, place = source
        if kind == "input":
            return None if number not in self._inputs else ("input", self._inputs[number], 0)
        if kind == "core" and number in self.pairs:
            return "core", self.pairs[number], place
        return None

    def _like(self, core: Core, wanted: list[Source]) -> int | None:
        fitting = [
            number
            for number in self._readers(wanted)
            if number not in self.back
            and self.after.cores[number].signature == core.signature
            and self.fits(self.after.cores[number], wanted)
        ]
        if not fitting:
            return None
        color = self._colors[0][core.node]
        return next((number for number in fitting if self._colors[1][number] == color), fitting[0])

    def fits(self, core: Core, wanted: list[Source]) -> bool:
        """Return whether a core of the second graph reads just what is wanted."""
        found = [self.through(1, edge).source for edge in core.edges]
        return sorted(found) == sorted(wanted) if core.signature[0] in COMMUTATIVE else found == wanted

    def _readers(self, sources: list[Source]) -> list[int]:
        """Return the cores of the second graph that may read all of ``sources``, in order."""
        if not sources or sources[0][0] != "core":
            return [number for number in self.after.cores if number not in self.back]
        waiting, found = [sources[0][1]], list[int]()
        while waiting:
            for reader in self.after.readers[waiting.pop()]:
                found.append(reader)
                if reader in self.skipped[1]:
                    waiting.append(reader)
        return sorted(set(found))

    def _like_behind(self, core: Core, wanted: list[Source]) -> int | None:
        """Look for the like behind cores that the second graph has more, and skip those."""
        for source in wanted:
            level = [[number] for number in self._readers([source]) if self._may_skip(number)]
            for _ in range(_MORE):
                for chain in level:
                    if (found := self._like_if_skipped(core, wanted, chain)) is not None:
                        return found
                level = [[*c, n] for c in level for n in self.after.readers[c[-1]] if self._may_skip(n)]
        return None

    def _like_if_skipped(self, core: Core, wanted: list[Source], chain: list[int]) -> int | None:
        fresh = set(chain) - self.skipped[1]
        self.skipped[1].update(fresh)
        found = self._like(core, wanted)
        if found is None:
            self.skipped[1].difference_update(fresh)
        return found

    def _may_skip(self, number: int) -> bool:
        core = self.after.cores[number]
        return not (number in self.back or core.is_output or len(core.edges) != 1 or self.after.is_product(number))

    def _next_in_order(self) -> tuple[int, int] | None:
        """Return the first pair of an alignment of what is left."""
        left = [n for n in self.before.cores if n not in self.pairs and n not in self.skipped[0]]
        right = [n for n in self.after.cores if n not in self.back and n not in self.skipped[1]]
        words = [[side.cores[n].signature for n in numbers]
                 for side, numbers in ((self.before, left), (self.after, right))]  # fmt: skip
        match = next(iter(SequenceMatcher(None, words[0], words[1], autojunk=False).get_matching_blocks()))
        return (left[match.a], right[match.b]) if match.size else None


def _colors(skeleton: Skeleton) -> dict[int, int]:
    """Return a number for each core that tells what stands around it, the same in both graphs."""
    colors = {number: hash(core.signature) for number, core in skeleton.cores.items()}
    for _ in range(_ROUNDS):
        new = {}
        for number, core in skeleton.cores.items():
            reads = [colors[e.source[1]] if e.source[0] == "core" else hash(e.source[:2]) for e in core.edges]
            before = tuple(sorted(reads))
            behind = tuple(sorted(colors[reader] for reader in skeleton.readers[number]))
            new[number] = hash((colors[number], before, behind))
        colors = new
    return colors
