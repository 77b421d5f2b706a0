"""Many cells that are missing or new are one line for people, and all of them for programs."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.compare.findings import Finding
from harness.compare.render import as_json, junit, markdown, terminal
from harness.compare.render.summed import FEW, NAMED, summed
from tests.harness.compare.conftest import Runs, cell

MODELS = tuple(f"net{i}" for i in range(6))


def _one(kind: str, state: str, number: int) -> Finding:
    grade = "regression" if kind == "missing_cell" else "note"
    return Finding("status", grade, f"net{number}/int8", kind, f"it is {state}", state, state)


def test_missing_cells_of_a_subset_are_a_line_for_each_state_that_they_were_in(runs: Runs) -> None:
    whole = [runs.record("a", cell(model=m, quant=q)) for m in MODELS for q in ("none", "int8")]
    failed = [runs.stopped(runs.record("a", cell(model=m, quant="qat"))) for m in MODELS]
    runs.write("a", [*whole, *failed])
    runs.write("b", [runs.record("b", cell(model=MODELS[0]))])
    found = runs.compare("a", "b", subset=True)
    assert found.code == 0
    lines = [line for line in map(_text, terminal.lines(found)) if "not in the candidate" in line]
    assert lines == [
        "  · 11 cells of 6 models  not in the candidate; they were ok: net0/none/tflite/xnnpack/t1, "
        "net1/none/tflite/xnnpack/t1, net1/int8/tflite/xnnpack/t1 and 8 more",
        "  · 6 cells of 6 models  not in the candidate; they were failed at export (converter_error): "
        "net0/qat/tflite/xnnpack/t1, net1/qat/tflite/xnnpack/t1, net2/qat/tflite/xnnpack/t1 and 3 more",
    ]
    assert markdown.page(found).count("not in the candidate") == 2
    assert Counter(one["kind"] for one in json.loads(as_json.text(found))["findings"]) == {"missing_cell": 17}
    assert junit.text(found).count("not in the candidate") == 17


def test_missing_cells_that_nobody_left_out_stay_regressions_when_they_are_summed_up(runs: Runs) -> None:
    quants = ("none", "int8", "float16", "dynamic", "int8_only")
    runs.write("a", [runs.record("a", cell(q)) for q in quants] + [runs.record("a", cell(model="kept"))])
    runs.write("b", [runs.record("b", cell(model="kept"))])
    found = runs.compare("a", "b")
    assert found.code == 1
    assert len(found.regressions) == 5
    assert "✗ regression | 5 cells of mobilenet\\_v2 |" in markdown.page(found)
    assert _text(list(terminal.lines(found))[-1]) == "1 cell on both sides: 5 regressions"


def test_a_whole_new_model_is_one_line(runs: Runs) -> None:
    runs.write("a", [runs.record("a")])
    fresh = [runs.record("b", cell(q, model="resnet50")) for q in ("none", "int8", "float16", "dynamic", "qat")]
    runs.write("b", [runs.record("b", medians_ms=(2.0, 2.01, 2.03)), *fresh])
    (line,) = (line for line in map(_text, terminal.lines(runs.compare("a", "b"))) if "not in the base" in line)
    assert line.startswith("  · 5 cells of resnet50  not in the base; they are ok: resnet50/none/")


@given(
    st.lists(st.tuples(st.sampled_from(["missing_cell", "new_cell", "size_bytes"]), st.sampled_from("xy")), max_size=30)
)
def test_nothing_is_lost_and_only_what_is_many_and_alike_is_summed_up(drawn: list[tuple[str, str]]) -> None:
    found = [_one(kind, state, number) for number, (kind, state) in enumerate(drawn)]
    lines = summed(found)
    counts = Counter(drawn)
    for (kind, state), count in counts.items():
        mine = [line for line in lines if (line.kind, line.base) == (kind, state)]
        if kind == "size_bytes" or count <= FEW:
            assert mine == [one for one in found if (one.kind, one.base) == (kind, state)]
        else:
            (line,) = mine
            assert line.cell.startswith(f"{count} cells of ")
            assert line.text.endswith(f" and {count - NAMED} more")
    assert {line.grade for line in lines} == {one.grade for one in found}


def _text(line: terminal.Line) -> str:
    return "".join(text for text, _ in line)
