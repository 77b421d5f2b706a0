"""What became of the atoms between two cores that correspond."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from harness.graph.diff import folding
from harness.graph.diff.fates import Fate, Fates
from harness.graph.diff.pair_of_paths import Paths, gone, unexplained
from harness.graph.diff.skeleton import REDUCTIONS

_WHY = {
    "Identity": "it hands on what it gets",
    "Reshape": "only the shape is written differently",
    "Transpose": "the order of dimensions differs between the formats",
    "Cast": "the dtype is another",
    "QuantizeLinear": "the border of integer arithmetic",
    "DequantizeLinear": "the border of integer arithmetic",
    "FakeQuant": "it stands for a quantization",
    "Densify": "sparse storage",
    "Dropout": "it does nothing when a model is used",
    **dict.fromkeys(REDUCTIONS, "there is one value only to look at"),
}
_LIMITS = ("Relu", "Relu6", "Clip")


def explain(paths: Paths, fates: Fates) -> None:
    """Note what became of all atoms on both paths."""
    for side in (0, 1):
        fates.puts(side, paths.atoms(side, "core"), lambda n, s=side: _extra_fate(paths, s, n))  # type: ignore[misc]
    _wires(paths, fates)
    _pads(paths, fates)
    folding.explain(paths, fates)


def _extra_fate(paths: Paths, side: int, number: int) -> Fate:
    """Return the fate of a core that only one side has: a limit may be that of the quantization on the other side."""
    op, other = paths.node(side, number).op, 1 - side
    quantizes = any(paths.node(other, n).op == "QuantizeLinear" for n in paths.atoms(other, "wire"))
    if op not in _LIMITS or not quantizes:
        return unexplained(paths, side, number, "it is in one of the graphs only")
    why = "the range of the quantization cuts values off there"
    return Fate("folded", f"{op} → QuantizeLinear", why) if side == 0 else Fate("added", f"QuantizeLinear → {op}", why)


def _wires(paths: Paths, fates: Fates) -> None:
    found: list[dict[str, list[int]]] = [defaultdict(list), defaultdict(list)]
    for side in (0, 1):
        for number in paths.atoms(side, "wire"):
            found[side][paths.node(side, number).op].append(number)
    for op in sorted(found[0].keys() | found[1].keys()):
        a, b = found[0][op], found[1][op]
        for one, other in zip(a, b, strict=False):
            fates.keep(one, other, op)
        common = min(len(a), len(b))
        for side, rest in ((0, a[common:]), (1, b[common:])):
            fates.puts(side, rest, _wire_fate(paths, side, op))


def _wire_fate(paths: Paths, side: int, op: str) -> Callable[[int], Fate]:
    why = _WHY[op]
    if op == "Transpose" and not _transposes_agree(paths):
        return lambda number: unexplained(paths, side, number, "the dimensions come in another order")
    return lambda _: gone(side, op, why)


def _transposes_agree(paths: Paths) -> bool:
    """Return whether a transposition more changes nothing: ONNX has another layout, others must come back."""
    if "onnx" in {side.legal.graph.format for side in paths.sides}:
        return True
    orders = [_order(paths, side) for side in (0, 1)]
    return orders[0] is not None and orders[0] == orders[1]


def _order(paths: Paths, side: int) -> tuple[int, ...] | None:
    """Return the order of dimensions behind all transpositions of a path, () for the order in front of them."""
    found: tuple[int, ...] = ()
    for number in paths.atoms(side, "wire"):
        node = paths.node(side, number)
        if node.op != "Transpose":
            continue
        values = paths.sides[side].legal.constants.values(node.inputs[1]) if len(node.inputs) > 1 else None
        if values is None:
            return None
        step = tuple(int(one) for one in np.ravel(values))
        found = tuple(found[one] for one in step) if found else step
        if found == tuple(range(len(found))):
            found = ()
    return found


def _pads(paths: Paths, fates: Fates) -> None:
    a, b = paths.atoms(0, "pad"), paths.atoms(1, "pad")
    for one, other in zip(a, b, strict=False):
        fates.keep(one, other, "Pad")
    common = min(len(a), len(b))
    for side, rest in ((0, a[common:]), (1, b[common:])):
        fates.puts(side, rest, lambda n, s=side: _pad_fate(paths, s, n))  # type: ignore[misc]


def _pad_fate(paths: Paths, side: int, number: int) -> Fate:
    """Return the fate of a padding that only ``side`` has: the other side's window pads itself, to the same size."""
    other = 1 - side
    target = paths.targets[other]
    window = target >= 0 and paths.sides[other].legal.kind(paths.node(other, target)) in ("products", "pools")
    padding = str(paths.node(other, target).attributes.get("padding", "valid")) if window else "valid"
    pads_itself = padding not in ("valid", "unknown") and set(padding.split(",")) != {"0"}
    if not pads_itself or _same_size(paths) is False:
        return unexplained(paths, side, number, "the window behind it does not pad instead")
    op = paths.node(other, target).op
    if side == 0:
        return Fate("folded", f"Pad → {op}", f"{op} pads by itself")
    return Fate("added", f"{op} → Pad", f"{op} padded by itself")


def _same_size(paths: Paths) -> bool | None:
    """Return whether both targets give the same sizes, in whatever order; None when they are unknown."""
    sizes = []
    for side in (0, 1):
        legal = paths.sides[side].legal
        tensor = legal.graph.tensor(paths.node(side, paths.targets[side]).outputs, 0)
        sizes.append(None if tensor is None or tensor.shape is None else sorted(map(abs, tensor.shape)))
    return None if None in sizes else sizes[0] == sizes[1]
