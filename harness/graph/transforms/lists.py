"""The named lists of the Graph Transform Tool's manual, for an input shape."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UserError, did_you_mean

_CLEAN = "remove_nodes(op=Identity, op=CheckNumerics)"
_FOLD = "fold_constants(ignore_errors=true) fold_batch_norms fold_old_batch_norms"
LISTS = {
    "deployment": f"{_CLEAN} {_FOLD}",
    "mobile": _FOLD,
    "quantize_weights": f"{_CLEAN} {_FOLD} quantize_weights strip_unused_nodes sort_by_execution_order",
}
"""What follows ``strip_unused_nodes``. ``deployment``: optimize for inference; ``mobile``: only what lean kernels lack,
names stay; ``quantize_weights``: the first, and weights in 8 bits."""


def named(name: str, shape: Sequence[int] | None = None) -> str:
    """Return a list in the classic syntax; without a shape, inputs keep dtype and shape.

    Raises:
        UserError: there is no such list.
    """
    if name not in LISTS:
        raise UserError(f"there is no list of transforms '{name}'; {did_you_mean(name, LISTS)}")
    given = "" if shape is None else f'(type=float, shape="{",".join(map(str, shape))}")'
    return f"strip_unused_nodes{given} {LISTS[name]}"
