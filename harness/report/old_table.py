"""What the old table claimed and what was measured, made from records and from the claims in ``old_table.yaml``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.report import old_pruning
from harness.report.claims import Row, old_table
from harness.report.holding import CLAIMS, OUTCOMES, Held, held, said_of
from harness.report.markdown import escape, table
from harness.report.reasons import Reasons
from harness.report.support import Support, supports
from harness.report.support_matrix import best
from harness.tables.verdict import Judged

INTRO = """\
This project replaces a document of 2022 with a table typed by hand. Its claims, word for word in
`harness/report/old_table.yaml`, are held here against the records of this run, model by model."""
EXPLAINED = """\
*holds*: every way of the run to do it is clean, or, where the table said N, none works. *in part*: some ways do not
work, or work with a metric out of its bounds (without labels however far). *does not hold*: none works, or, where the
table said N, one does. *not run*: no cell of this run says anything about it. Weights of `photos` are random unless
its task says otherwise: there a metric out of its bounds says more of such weights than of the export. For a
quantized ONNX export the table had an empty field in every row: which of its routes work is in `support-matrix.md`."""
Rows = Sequence[tuple[Support, Row]]


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page (``judged``: one record of each cell), None when no model of the run is in the old table."""
    claims = old_table()
    said = said_of(claims)
    tasks: dict[str, Rows] = {}
    for task in sorted({j.record.cell.task for j in judged}):
        found = supports([j for j in judged if j.record.cell.task == task], claims.models)
        if of_task := [(row, said[row.model]) for row in found if row.model in said]:
            tasks[task] = of_task
    if not tasks:
        return None
    reasons = Reasons()
    parts = ["# What the old table claimed, and what was measured", INTRO, EXPLAINED]
    for task, rows in tasks.items():
        parts += [f"## On {escape(task)}", _counts(rows), "### Model by model", _models(rows, reasons)]
    parts += [*reasons.markdown(), "## Pruning", old_pruning.block(judged, claims.pruning)]
    return "\n\n".join([*parts, ""])


def _counts(rows: Rows) -> str:
    """Return how many models each claim holds for."""
    lines = []
    for claim in CLAIMS:
        found = [(one, row) for row, said in rows if (one := held(claim, row, said)) is not None]
        for claimed, text in ((True, claim.title), (False, claim.denied)):
            some = [one for one, _ in found if one.claimed is claimed]
            count = Counter(one.outcome for one in some)
            lines += [[text, str(len(some)), *(str(count[name]) for name in OUTCOMES)]] if some else []
    return table(["claim", "models", *OUTCOMES], lines, ["---", *("--:" for _ in range(len(OUTCOMES) + 1))])


def _models(rows: Rows, reasons: Reasons) -> str:
    head = ["Model", *(claim.title for claim in CLAIMS), "quantized ONNX export"]
    lines = [_line(row, said, reasons) for row, said in rows]
    return table(head, lines, ["---"] * len(head))


def _line(row: Support, said: Row, reasons: Reasons) -> list[str]:
    fields = [_field(held(claim, row, said), reasons) for claim in CLAIMS]
    return [escape(row.label), *fields, f"nothing claimed; measured: {best(row.quantized_onnx)}"]


def _field(found: Held | None, reasons: Reasons) -> str:
    if found is None:
        return "nothing claimed"
    if not found.claimed:
        works = "".join(", it works" for way in found.why[:1] if way.mark == "yes")
        return f"claimed that not: {found.outcome}{works or ''.join(map(reasons.mark, found.why[:1]))}"
    word = found.outcome
    if len(found.why) == 1:
        return f"{word}{reasons.mark(found.why[0])}"
    names = ", ".join(f"{escape(way.name)}{reasons.mark(way)}" for way in found.why)
    return f"{word} ({names})" if names else word
