"""Time operator by operator: sums of events, and the profilers of both runtimes on real files."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Unsupported
from harness.graph import tflite
from harness.insight import litert_profile, onnx_profile
from harness.insight.profiles import Event, summarize

times = st.lists(st.lists(st.floats(0, 1e6), min_size=3, max_size=3), min_size=1, max_size=7)


@given(times)
def test_each_operator_has_the_median_of_its_runs(runs: list[list[float]]) -> None:
    events = [
        Event(run, position, "op", str(position), "", time)
        for run, row in enumerate(runs)
        for position, time in enumerate(row)
    ]
    found = summarize(reversed(events))
    assert [one.position for one in found] == [0, 1, 2]
    for position, one in enumerate(found):
        ordered = sorted(row[position] for row in runs)
        assert min(ordered) <= one.median_us <= max(ordered)
        assert sum(time <= one.median_us for time in ordered) >= len(ordered) / 2
    total = sum(one.median_us for one in found)
    assert sum(one.share for one in found) == pytest.approx(1 if total else 0)


def test_onnx_runtimes_trace_is_cut_into_runs() -> None:
    def node(name: str, time: int) -> dict[str, Any]:
        facts = {"op_name": name.upper(), "provider": "CPUExecutionProvider"}
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": time, "args": facts}

    trace = [{"cat": "Session", "name": "model_run"}]
    for run in range(3):
        trace += [node("a", 10 + run), {"cat": "Node", "name": "a_fence_before", "dur": 1}, node("b", 20 + run)]
    found = list(onnx_profile._events(trace, warm_up=1))
    assert [(one.run, one.position, one.op, one.time_us) for one in found] == [
        (0, 0, "A", 11), (0, 1, "B", 21), (1, 0, "A", 12), (1, 1, "B", 22),
    ]  # fmt: skip


def test_onnx_runtime_tells_every_node(exported: dict[str, Path]) -> None:
    found = summarize(onnx_profile.profile(exported["onnx channels"], 1, runs=3, warm_up=1))
    assert sum(one.op == "QLinearConv" for one in found) == 4
    assert {one.inside for one in found} == {"CPUExecutionProvider"}


@pytest.mark.skipif(
    not importlib.metadata.version("ai-edge-litert").startswith(litert_profile.TRIED),
    reason="needs a version of ai-edge-litert whose C API is known here",
)
@pytest.mark.parametrize("delegate", ["none", "xnnpack"])
def test_litert_tells_every_operator(exported: dict[str, Path], delegate: str) -> None:
    path = exported["tflite none"]
    found = summarize(litert_profile.profile(path, delegate, 1, runs=3, warm_up=1))
    nodes = tflite.read(path).nodes
    if delegate == "none":
        assert [one.op for one in found] == [node.op for node in nodes]
        assert [one.name for one in found] == [node.name for node in nodes]
        assert {one.inside for one in found} == {""}
    else:
        assert {one.inside for one in found} == {"xnnpack"}
        assert any("Conv" in one.op for one in found)


def test_another_version_is_not_called(exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.0.0")
    with pytest.raises(Unsupported, match=r"LiteRT 9\.0\.0") as caught:
        litert_profile.profile(exported["tflite none"], "none", 1, 1, 0)
    assert caught.value.reason == "no_profile"


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"nothing")
    with pytest.raises(Unsupported, match="does not profile"):
        litert_profile.profile(tmp_path / "model.tflite", "none", 1, 1, 0)
