"""Keys: the same for the same, another for every change; the machine matters to measurements alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import config, environment, plan, plugins
from harness.plan import Node
from harness.runner.keys import MEASURED, PACKAGES, Keys, file_state
from harness.runner.tools import Tools
from harness.stages.evaluate import ORIGINALS

ROOT = Path(__file__).resolve().parents[3]
KEYS = Keys("machine a")
PLUGINS = {"quantize": ("quantizers", "ptq"), "export": ("exporters", "tflite"), "evaluate": ("runtimes", "litert")}
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=3)
options = st.dictionaries(
    st.sampled_from("abcd"), scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from("xy"), scalars)
)
digests = st.dictionaries(st.sampled_from(["source", "dataset"]), st.sampled_from(["1", "2"]))
inputs = st.tuples(options, digests, options)


def node(kind: str, content: dict[str, Any] | None = None) -> Node:
    return Node("id", kind, content or {}, {}, PLUGINS.get(kind))


def same(a: Any, b: Any) -> bool:
    """Equal, and true not taken for 1."""
    return repr(_ordered(a)) == repr(_ordered(b))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {"dict": sorted((key, _ordered(inner)) for key, inner in value.items())}
    return [_ordered(inner) for inner in value] if isinstance(value, list | tuple) else value


@given(inputs, inputs)
def test_a_key_changes_exactly_when_an_input_changes(one: Any, two: Any) -> None:
    keys = [KEYS.node(node("export", content), upstream, extra) for content, upstream, extra in (one, two)]
    assert (keys[0] == keys[1]) == same(one, two)


@given(inputs)
def test_order_of_options_and_id_of_the_node_do_not_matter(one: Any) -> None:
    content, upstream, extra = one
    turned = dict(reversed(content.items()))
    other = Node("another id", "export", turned, {"x": "y"}, PLUGINS["export"])
    assert KEYS.node(node("export", content), upstream, extra) == KEYS.node(other, upstream, extra)


@pytest.mark.parametrize("kind", list(PACKAGES))
@pytest.mark.parametrize("other", [Keys("machine b"), Keys("machine a", nonce="again")])
def test_only_measurements_depend_on_machine_and_rerun(kind: str, other: Keys) -> None:
    assert (KEYS.node(node(kind), {}) != other.node(node(kind), {})) == (kind in MEASURED)


@pytest.mark.parametrize("other", [Keys("machine b"), Keys("machine a", nonce="again")])
def test_rounds_and_cells_depend_on_machine_and_rerun(other: Keys) -> None:
    cell = plan.make(config.compose(["quant=none"]).config).cells[0]
    assert KEYS.cell(cell) != other.cell(cell)
    assert KEYS.round(0, {}, {}, ["litert"]) != other.round(0, {}, {}, ["litert"])
    assert KEYS.round(0, {}, {}, ["litert"]) == Keys("machine a").round(0, {}, {}, ["litert", "litert"])


def test_a_round_is_its_number_its_members_its_effort_and_its_runtimes() -> None:
    base: tuple[Any, ...] = (0, {"a": 1}, {"rounds": 2}, ["litert"])
    changed = [
        (1, *base[1:]),
        (0, {"a": 2}, *base[2:]),
        (*base[:2], {"rounds": 3}, base[3]),
        (*base[:3], ["onnxruntime"]),
    ]
    keys = {KEYS.round(*each) for each in [base, *changed]}
    assert len(keys) == 5


@pytest.mark.parametrize("kind", list(PACKAGES))
def test_another_version_of_a_package_or_of_the_code_is_another_key(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = KEYS.node(node(kind), {})
    with monkeypatch.context() as patch:
        patch.setattr(environment, "packages", lambda names: dict.fromkeys(names, "999"))
        assert KEYS.node(node(kind), {}) != before
    with monkeypatch.context() as patch:
        patch.setattr(environment, "code_version", lambda *files: "other")
        assert KEYS.node(node(kind), {}) != before
    assert KEYS.node(node(kind), {}) == before


def _files(monkeypatch: pytest.MonkeyPatch, key: Callable[[], object]) -> set[str]:
    """Return the files of ours that enter a key by name."""
    named: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(environment, "code_version", lambda *files: named.extend(files) or "")
        key()
    return {str(file.resolve().relative_to(ROOT)) for file in named}


@pytest.mark.parametrize("task", sorted(file.stem for file in (ROOT / "zoo" / "data").glob("[a-z]*.py")))
def test_what_loads_the_images_of_a_task_is_part_of_their_key(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage imports it by name, which no look at imports can see."""
    wanted = node("dataset", {"task": {"kind": task}})
    assert f"zoo/data/{task}.py" in _files(monkeypatch, lambda: KEYS.node(wanted, {}))


@pytest.mark.parametrize("exporter", ["tflite", "onnx", "onnx_qdq", "saved_model", "frozen_graph", "tfjs"])
def test_what_reads_an_artifact_is_part_of_its_key(exporter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = replace(node("export"), plugin=("exporters", exporter))
    reader = f"harness/graph/{plugins.load('exporters', exporter).FORMAT}.py"
    assert reader in _files(monkeypatch, lambda: KEYS.node(wanted, {}))
    assert (ROOT / reader).is_file()


def test_what_an_artifact_was_converted_from_is_opened_by_files_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = replace(node("evaluate"), plugin=("runtimes", "onnxruntime"))
    found = _files(monkeypatch, lambda: KEYS.node(wanted, {}))
    assert found >= {name for kind, (method, _) in ORIGINALS.items()
                     for name in (f"harness/runtimes/{method}.py", f"harness/graph/{kind}.py")}  # fmt: skip


def test_a_cell_has_the_code_of_all_that_its_export_starts_from(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = {one.cell.export: one for one in plan.make(config.compose(["quant=int8", "export=all"]).config).cells}
    found = _files(monkeypatch, lambda: KEYS.cell(cells["onnx_qdq"]))
    assert {"harness/exporters/onnx_qdq.py", "harness/exporters/tflite.py", "zoo/data/digits.py"} <= found


def tools(version: str) -> dict[str, Tools]:
    here = environment.current()
    return {"tf215": Tools("python", here, {"tensorflow": version})}


@pytest.mark.parametrize("kind", ["export", "evaluate"])
def test_a_toolchains_packages_are_part_of_the_keys_of_its_jobs(kind: str) -> None:
    there = replace(node(kind), toolchain="tf215")
    first, second = Keys("machine a", tools=tools("2.15.0")), Keys("machine a", tools=tools("2.15.1"))
    assert len({first.node(there, {}), second.node(there, {}), first.node(node(kind), {})}) == 3
    assert first.node(node(kind), {}) == second.node(node(kind), {}) == KEYS.node(node(kind), {})
    assert first.round(0, {}, {}, ["litert"], ["default"]) == KEYS.round(0, {}, {}, ["litert"])
    rounds = {keys.round(0, {}, {}, ["litert"], ["default", "tf215"]) for keys in (first, second)}
    assert len(rounds | {KEYS.round(0, {}, {}, ["litert"])}) == 3
    cells = plan.make(config.compose(["quant=none", "toolchain=[default,tf215]"]).config).cells
    changed = {cell.cell.toolchain for cell in cells if first.cell(cell) != second.cell(cell)}
    assert changed == {"tf215"}


def test_the_file_that_an_option_names_is_part_of_the_key(tmp_path: Path) -> None:
    file = tmp_path / "weights.h5"
    wanted = node("source", {"model": {"path": str(file)}, "task": {"weights": None}})
    keys = [KEYS.node(wanted, {})]
    file.write_bytes(b"one")
    keys.append(KEYS.node(wanted, {}))
    file.write_bytes(b"three")
    keys.append(KEYS.node(wanted, {}))
    os.utime(file, ns=(1, 1))
    keys.append(KEYS.node(wanted, {}))
    assert len(set(keys)) == 4
    assert KEYS.node(wanted, {}) == keys[-1]


def test_a_folder_is_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(b"x")
    before = file_state([tmp_path])
    assert [Path(entry[0]).name for entry in before] == ["1.png"]
    (tmp_path / "cat" / "2.png").write_bytes(b"xy")
    after = file_state([tmp_path])
    assert [entry[1] for entry in after] == [1, 2]
    assert after != before


def test_links_are_followed_as_by_those_who_read(tmp_path: Path) -> None:
    """A class may be a link to a folder elsewhere; one that leads back up ends, and one to nowhere is no crash."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"x")
    (tmp_path / "images" / "dog").mkdir(parents=True)
    (tmp_path / "images" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images" / "dog" / "up").symlink_to(tmp_path / "images")
    (tmp_path / "images" / ".#lock").symlink_to(tmp_path / "nowhere")
    before = file_state([tmp_path / "images"])
    found = {Path(name).name: size for name, size, _ in before}
    assert found.keys() == {".#lock", "1.png", "up"}
    assert (found[".#lock"], found["1.png"]) == (None, 1)
    (tmp_path / "images" / "round").symlink_to("round")
    assert ["round", None] in [[Path(name).name, size] for name, size, _ in file_state([tmp_path / "images"])]
    (tmp_path / "images" / "cow").symlink_to(tmp_path / "elsewhere")
    assert "cow" in [Path(name).name for name, _, _ in file_state([tmp_path / "images"])]  # the same as cat
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"xy")
    assert file_state([tmp_path / "images"]) != before


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    wanted = node("dataset", {"task": {"path": "~/images"}})
    before = KEYS.node(wanted, {})
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(b"x")
    assert KEYS.node(wanted, {}) != before
    assert KEYS.node(node("dataset", {"task": {"path": "~nobody-of-that-name/images"}}), {}) != before


def test_every_cell_of_a_plan_has_a_key_of_its_own() -> None:
    cells = plan.make(config.compose(["quant=all", "threads=[1,2]"]).config).cells
    assert len({KEYS.cell(cell) for cell in cells}) == len(cells)


def test_a_cell_depends_on_what_is_in_the_toolchain_of_its_exporter() -> None:
    (planned,) = plan.make(config.compose(["quant=none", "export=tfjs"]).config).cells
    here = environment.current()
    keys = [Keys("machine", tools={"tfjs": Tools("python", here, {"tensorflowjs": v})}) for v in ("4.22.0", "4.23.0")]
    assert keys[0].cell(planned) != keys[1].cell(planned)
