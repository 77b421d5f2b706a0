"""A cell's errors layer by layer as text, Markdown and a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from harness.insight.errors import SOUND_DB, Layer
from harness.report.markdown import escape, table
from harness.report.shown import NO_VALUE, clip

HEAD = (
    "#", "op", "value", "SQNR dB", "lost dB", "cosine", "float range", "scale", "zero point", "kernel", "kernel scale",
    "channels apart",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Why:
    """What there is to say."""

    cell: str
    reference: str
    images: int
    floor_db: float
    layers: tuple[Layer, ...]
    computed: int
    """Values that the quantized graph computes; those without a float partner are not among the layers."""
    broken: Layer | None
    worst: tuple[Layer, ...]


def partners(why: Why) -> str:
    """Return how many of the values could be compared."""
    return f"{len(why.layers)} of {why.computed} values have a float partner"


def partial(why: Why) -> bool:
    """Return true when so few of the values have one that the worst may be missing."""
    return 2 * len(why.layers) < why.computed


def headline(why: Why) -> str:
    """Return the answer in one line."""
    one = why.broken
    if one is None:
        low = min((layer.sqnr_db for layer in why.layers if layer.sqnr_db is not None), default=None)
        best = f"; the lowest is {low:.1f} dB" if low is not None else ""
        return f"no layer is under {why.floor_db:g} dB{best}"
    text = f"first layer under {why.floor_db:g} dB: #{one.position} {one.op} '{one.name}' with {one.sqnr_db:.1f} dB"
    if one.lost_db is not None:
        text += f", {one.lost_db:.1f} dB of them lost in it" if one.lost_db > 0 else ", none of them lost in it"
    if one.channel_spread is not None and one.channel_spread > 10:
        scales = "one scale" if one.weight_scale_min == one.weight_scale_max else "a scale for each"
        text += f"; its kernel's channels are {one.channel_spread:.0f}× apart and have {scales}"
    return text


def rows(layers: Sequence[Layer]) -> list[list[str]]:
    """Return the fields of each layer as text."""
    return [_row(one) for one in layers]


def _row(one: Layer) -> list[str]:
    kernel = _span(one.weight_min, one.weight_max)
    scales = _span(one.weight_scale_min, one.weight_scale_max)
    return [
        str(one.position),
        one.op,
        clip(one.name.rpartition(";")[2], 60),
        _number(one.sqnr_db, ".1f"),
        _number(one.lost_db, ".1f"),
        _number(one.cosine, ".4f"),
        _span(one.range_min, one.range_max),
        _number(one.scale, ".3g"),
        NO_VALUE if one.zero_point is None else str(one.zero_point),
        kernel,
        scales,
        _number(one.channel_spread, ".0f"),
    ]


def _number(value: float | None, form: str) -> str:
    return NO_VALUE if value is None else format(value, form)


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return NO_VALUE
    return f"{low:.3g}" if low == high else f"{low:.3g} … {high:.3g}"


def markdown(why: Why) -> str:
    """Return the page: the answer, the ten worst, and all layers."""
    align = ["--:", "---", "---", *("--:" for _ in HEAD[3:])]

    def block(layers: Sequence[Layer]) -> str:
        return table(list(HEAD), ([escape(text) for text in row] for row in rows(layers)), align)

    parts = [
        f"# Why {escape(why.cell)} is as it is",
        f"Against {escape(why.reference)} on {why.images} images; {partners(why)}. "
        "SQNR: signal to quantization noise of a value, dB; "
        "*lost*: the SQNR of the worst value that goes into the layer, minus its own; *channels apart*: largest ÷ "
        f"smallest of the channels' largest weights. *Where most is lost* counts decibels under {SOUND_DB:g} "
        "first: above that the noise is under a thousandth of the signal.",
        f"**{escape(headline(why))}**",
        "![SQNR along the graph](why.svg)",
        "## Where most is lost",
        block(why.worst),
        "## All layers",
        block(why.layers),
    ]
    return "\n\n".join(parts) + "\n"


def picture(why: Why) -> bytes:
    """Return SQNR along the graph as SVG: the floor, the first broken layer, the ten in which most is lost."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    known = [(one.position, one.sqnr_db) for one in why.layers if one.sqnr_db is not None]
    with mpl.rc_context({"svg.hashsalt": why.cell, "svg.fonttype": "none"}):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([x for x, _ in known], [y for _, y in known], linewidth=1, color="#4c72b0", label="SQNR")
        axes.axhline(why.floor_db, linewidth=1, linestyle="--", color="#888888", label=f"{why.floor_db:g} dB")
        lost = [(one.position, one.sqnr_db or 0.0) for one in why.worst]
        axes.plot([x for x, _ in lost], [y for _, y in lost], "o", markersize=4, color="#dd8452", label="most is lost")
        if why.broken is not None:
            at = (why.broken.position, why.broken.sqnr_db or 0.0)
            axes.plot(*at, "X", markersize=9, color="#c44e52", label=f"first under {why.floor_db:g} dB")
        axes.set(xlabel="layer", ylabel="SQNR, dB", title=why.cell)
        axes.legend(frameon=False, fontsize="small")
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
