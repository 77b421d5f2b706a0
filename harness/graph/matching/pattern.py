"""What to look for: nodes that hang together, and the values that go into them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

OPTIONAL = 8
"""Most nodes of a pattern that may be missing: each doubles the patterns to look for."""
NODES = 32


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that a node reads: output ``port`` of the pattern's node ``name``, or a value that comes from outside."""

    name: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class PatternNode:
    """One operator of a pattern."""

    name: str
    ops: frozenset[str]
    """Names in a file, or words of a vocabulary such as ``families``; any of them will do."""
    inputs: tuple[Ref | None, ...] = ()
    """The first inputs of a node; None: whatever it is. A node may have more."""
    optional: bool = False
    """It may be missing: who reads it then reads its first input."""
    any_order: bool = False
    """The inputs may stand in any order."""
    dtypes: frozenset[str] = frozenset()
    """Of its first output; empty: any."""
    attributes: Mapping[str, tuple[Hashable, ...]] = field(default_factory=dict)
    """Attribute → values that it may have."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a value from outside must be."""

    constant: bool | None = None
    dtypes: frozenset[str] = frozenset()
    rank: int | None = None
    number: float | None = None
    """All its elements are this number; not looked at where a file's reader gives no values."""
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What to put in the place of a match."""

    verb: Literal["bypass", "fuse"]
    op: str = ""
    """``fuse``: operator of the new node."""
    inputs: tuple[str, ...] = ()
    """Values from outside: the one to go on with, or those that the new node reads."""


@dataclass(frozen=True)
class Pattern:
    """A connected set of nodes."""

    name: str
    about: str
    nodes: tuple[PatternNode, ...]
    values: Mapping[str, Value] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    """Nodes whose result goes on."""
    closed: bool = True
    """Nobody outside reads what the other nodes give."""
    through: frozenset[str] = frozenset()
    """Operators that may stand between any two of the nodes, as often as they like, such as Identity."""
    rewrite: Rewrite | None = None


def variants(pattern: Pattern) -> Iterator[Pattern]:
    """Yield the pattern with all, then with ever fewer of its optional nodes."""
    optional = [node.name for node in pattern.nodes if node.optional]
    choices = sorted(product((False, True), repeat=len(optional)), key=sum)
    for choice in choices:
        yield _without(pattern, {name for name, missing in zip(optional, choice, strict=True) if missing})


def _without(pattern: Pattern, missing: set[str]) -> Pattern:
    known = {node.name: node for node in pattern.nodes}

    def instead(ref: Ref | None) -> Ref | None:
        while ref is not None and ref.name in missing:
            ref = known[ref.name].inputs[0]
        return ref

    nodes = tuple(
        replace(node, inputs=tuple(map(instead, node.inputs))) for node in pattern.nodes if node.name not in missing
    )
    outputs = [ref.name for name in pattern.outputs if (ref := instead(Ref(name))) is not None]
    return replace(pattern, nodes=nodes, outputs=tuple(name for name in outputs if name in known))
