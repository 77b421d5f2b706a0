"""The plan: which cells, in which order, sharing which work."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness import config, plan
from harness.config import RunConfig

BASE = config.compose(["quant=all", "export=all", "runtime=all"]).config
FORMATS = {
    "tflite": {"cpu", "xnnpack"},
    "onnx": {"onnxruntime"},
    "onnx_qdq": {"onnxruntime"},
    "saved_model": {"tensorflow"},
}


def subset(base: RunConfig, quants: set[str], exports: set[str], runtimes: set[str], threads: list[int]) -> RunConfig:
    fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
    fields |= {
        "quant": {k: v for k, v in base.quant.items() if k in quants},
        "export": {k: v for k, v in base.export.items() if k in exports},
        "runtime": {k: v for k, v in base.runtime.items() if k in runtimes},
        "threads": threads,
    }
    return RunConfig(**fields)


configs = st.builds(
    subset,
    st.just(BASE),
    st.sets(st.sampled_from(sorted(BASE.quant)), min_size=1),
    st.sets(st.sampled_from(sorted(BASE.export)), min_size=1),
    st.sets(st.sampled_from(sorted(BASE.runtime)), min_size=1),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(configs)
def test_cells_are_the_product_of_the_choices_that_fit(chosen: RunConfig) -> None:
    made = plan.make(chosen)
    found = [p.cell for p in made.cells]
    assert len({c.id for c in found}) == len(found)
    expected = {
        (q, e, r, t)
        for q in {*chosen.quant, plan.BASELINE}
        for e in chosen.export
        for r in set(chosen.runtime) & FORMATS[e]
        for t in chosen.threads  # type: ignore[union-attr]
    }
    assert {(c.quant, c.export, c.runtime, c.threads) for c in found} == expected


@settings(max_examples=60, deadline=None)
@given(configs)
def test_every_node_is_needed_once_and_its_needs_are_there(chosen: RunConfig) -> None:
    for batch in plan.make(chosen).batches:
        ids = [node.id for node in batch.nodes]
        assert len(set(ids)) == len(ids)
        for node in batch.nodes:
            assert set(node.needs.values()) <= set(ids)
        exported = {p.export_node for p in batch.cells if p.refusal is None}
        started_from = {
            node.needs["artifact"] for node in batch.nodes if node.kind == "export" and "artifact" in node.needs
        }
        assert exported | started_from == {node.id for node in batch.nodes if node.kind == "export"}
        order = {node_id: position for position, node_id in enumerate(ids)}
        assert all(order[need] < order[node.id] for node in batch.nodes for need in node.needs.values())


@settings(max_examples=30, deadline=None)
@given(configs)
def test_the_same_choices_make_the_same_plan(chosen: RunConfig) -> None:
    assert plan.make(chosen) == plan.make(chosen)


def test_a_scheme_of_the_tflite_converter_is_refused_elsewhere_with_the_reason() -> None:
    made = plan.make(config.compose(["quant=int8", "export=[tflite,onnx,saved_model]"]).config)
    refused = {(p.cell.quant, p.cell.export): p.refusal.text for p in made.cells if p.refusal}
    assert set(refused) == {("int8", "onnx"), ("int8", "saved_model")}
    assert all("TFLite" in str(reason) for reason in refused.values())


def test_a_small_task_uses_the_small_input() -> None:
    chosen = config.compose(["model=mobilenet_v2", "task=digits"]).config
    model = chosen.model["mobilenet_v2"]
    assert plan.input_size(model, chosen) == model.small_size
    native = config.compose(["model=mobilenet_v2", "task=photos"]).config
    assert plan.input_size(native.model["mobilenet_v2"], native) == 224


def test_evaluation_is_shared_by_thread_counts() -> None:
    made = plan.make(config.compose(["threads=[1,2]", "quant=none", "export=tflite"]).config)
    assert len(made.cells) == 4
    assert sum(node.kind == "evaluate" for node in made.batches[0].nodes) == 2


def nodes(*overrides: str) -> dict[str, plan.Node]:
    made = plan.make(config.compose(["model=mobilenet_v2", *overrides]).config)
    return {node.id: node for batch in made.batches for node in batch.nodes}


def test_an_export_that_starts_from_another_needs_it_though_nobody_chose_it() -> None:
    found = nodes("quant=int8", "export=onnx_qdq")
    assert found["export/mobilenet_v2/int8/onnx_qdq"].needs["artifact"] == "export/mobilenet_v2/int8/tflite"
    evaluate = found["evaluate/mobilenet_v2/int8/onnx_qdq/onnxruntime"]
    assert evaluate.needs["converted_from"] == "export/mobilenet_v2/int8/tflite"


def test_a_method_that_rewrites_files_needs_the_float_one_of_the_same_export() -> None:
    found = nodes("quant=ort_static", "export=onnx", "export.onnx.opset=[13,15]")
    for opset in (13, 15):
        node = found[f"export/mobilenet_v2/ort_static/onnx@opset={opset}"]
        assert node.needs["artifact"] == f"export/mobilenet_v2/none/onnx@opset={opset}"
        assert node.plugin == ("quantizers", "ort_static")
        assert node.options["quant"]["method"] == "ort_static"


def test_methods_for_onnx_files_are_refused_elsewhere() -> None:
    made = plan.make(config.compose(["quant=[ort_static,ort_dynamic]", "export=all"]).config)
    refused = {(p.cell.quant, p.cell.export): p.refusal.text for p in made.cells if p.refusal}
    exports = ("tflite", "onnx_qdq", "saved_model")
    assert set(refused) == {(q, e) for q in ("ort_static", "ort_dynamic") for e in exports}
    assert refused["ort_static", "onnx_qdq"] == f"onnx_qdq starts from tflite: {refused['ort_static', 'tflite']}"


def test_toolchains_convert_the_same_source_and_measure_their_own_artifacts() -> None:
    found = nodes("quant=int8", "export=[tflite,onnx_qdq]", "toolchain=[default,tf215]")
    assert {n.toolchain for n in found.values() if n.kind in ("dataset", "source", "quantize")} == {"default"}
    own = {i for i, n in found.items() if n.toolchain == "tf215"}
    assert own == {
        f"{i}/tf215" for i, n in found.items() if n.toolchain == "default" and n.kind in ("export", "evaluate")
    }
    for node_id in own:
        other = found[node_id.removesuffix("/tf215")]
        assert found[node_id].options == other.options
        for name, need in found[node_id].needs.items():
            assert need.removesuffix("/tf215") == other.needs[name]
            assert need.endswith("/tf215") == (name in ("artifact", "converted_from"))


def test_each_toolchain_has_every_cell() -> None:
    made = plan.make(config.compose(["quant=ptq", "toolchain=[default,tf215,tf218]"]).config)
    cells = {
        name: {p.cell.id for p in made.cells if p.cell.toolchain == name} for name in ("default", "tf215", "tf218")
    }
    assert cells["tf215"] == {f"{cell}/tf215" for cell in cells["default"]}
    assert len(cells["tf218"]) == len(cells["default"])


def test_what_a_toolchain_has_not_is_refused_there_alone() -> None:
    chosen = ["quant=[none,aeq_int8]", "export=[tflite,onnx]", "toolchain=[default,tf215,tfjs]"]
    made = plan.make(config.compose(chosen).config)
    refused = {(p.cell.quant, p.cell.export, p.cell.toolchain): p.refusal.text for p in made.cells
               if p.refusal and p.refusal.reason == "toolchain_lacks"}  # fmt: skip
    assert refused == {
        ("aeq_int8", "tflite", "tf215"): "toolchain tf215 has no ai-edge-quantizer, ai-edge-litert",
        ("aeq_int8", "tflite", "tfjs"): "toolchain tfjs has no ai-edge-quantizer, ai-edge-litert",
        ("none", "onnx", "tfjs"): "toolchain tfjs has no tf2onnx, onnx",
    }


def test_one_pruning_is_shared_by_what_comes_after_it() -> None:
    found = nodes("quant=[prune,prune_int8,prune_qat]", "export=tflite")
    assert found["quantize/mobilenet_v2/prune"].needs.get("before") is None
    for quant in ("prune_int8", "prune_qat"):
        assert found[f"quantize/mobilenet_v2/{quant}"].needs["before"] == "quantize/mobilenet_v2/prune"


def test_a_pruning_that_nobody_chose_is_done_all_the_same() -> None:
    found = nodes("quant=prune_int8", "quant.prune_int8.sparsity=0.8", "export=tflite")
    before = found[found["quantize/mobilenet_v2/prune_int8"].needs["before"]]
    assert before.id.startswith("quantize/mobilenet_v2/prune_int8~")
    assert before.options["quant"]["sparsity"] == 0.8
    assert before.options["quant"]["then"] == "float"


def test_an_exporter_with_a_toolchain_of_its_own_works_there_and_its_artifact_runs_with_the_others() -> None:
    chosen = config.compose(["quant=none", "export=[tfjs,frozen_graph]", "toolchain=[default,tf215]"]).config
    made = plan.make(chosen)
    (batch,) = made.batches
    placed = {node.id: node.toolchain for node in batch.nodes}
    assert placed["export/mobilenet_v2/none/tfjs"] == "tfjs"
    assert placed["evaluate/mobilenet_v2/none/tfjs/tfjs_wasm"] == "default"
    assert placed["export/mobilenet_v2/none/frozen_graph/tf215"] == "tf215"
    assert sorted(made.toolchains) == ["default", "tf215", "tfjs"]
    refused = {p.cell.id: p.refusal for p in made.cells if p.refusal is not None}
    assert [one.reason for one in refused.values()] == ["toolchain_lacks"]
    assert list(refused) == ["mobilenet_v2/none/tfjs/tfjs_wasm/t1/tf215"]


def test_each_storage_is_an_export_of_its_own() -> None:
    chosen = config.compose(["quant=none", "export=tfjs", "export.tfjs.storage=[float32,uint8]"]).config
    assert [cell.cell.export for cell in plan.make(chosen).cells] == ["tfjs@storage=float32", "tfjs@storage=uint8"]
    nodes = {node.id for node in plan.make(chosen).batches[0].nodes if node.kind == "export"}
    assert len(nodes) == 2
