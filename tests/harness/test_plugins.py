"""Plug-ins are files: found by name, one's own among them, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import config, plan, plugins
from harness.errors import UserError

OWN = """
from dataclasses import dataclass, field

PACKAGES = ()
FORMAT = "mine"
READS = ("mine",)
export = open_session = print
MEMORY_PER_WEIGHT_BYTE = 1.0


@dataclass
class Options:
    level: int = field(default=3, metadata={"min": 1, "max": 9})
    tags: list[str] = field(default_factory=lambda: ["a"])
    {more}
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., str]:
    """Write a plug-in of one's own; return the plug-ins folder."""

    def write(group: str = "exporters", name: str = "mine", text: str = OWN, more: str = "") -> str:
        folder = tmp_path / "plugins" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text.replace("{more}", more))
        return str(tmp_path / "plugins")

    return write


def test_the_groups_hold_what_the_matrix_is_made_of() -> None:
    assert {"none", "ptq"} <= set(plugins.names("quantizers"))
    assert {"tflite", "onnx", "saved_model"} <= set(plugins.names("exporters"))
    assert {"litert", "onnxruntime", "tensorflow"} <= set(plugins.names("runtimes"))


@pytest.mark.parametrize("group", ["quantizers", "exporters", "runtimes"])
def test_every_plugin_has_what_its_contract_says(group: str) -> None:
    for name in plugins.names(group):
        module = plugins.load(group, name)
        assert [one for one in plugins.NEEDED[group] if not hasattr(module, one)] == [], name
        assert plugins.options(module, {"method": name, "scheme": "int8"} if name == "ptq" else {"method": name})


def test_your_own_file_is_found_and_wins(own: Callable[..., str]) -> None:
    folder = own()
    assert "mine" in plugins.names("exporters", folder)
    assert plugins.load("exporters", "mine", folder).FORMAT == "mine"
    assert plugins.load("exporters", "onnx", own(name="onnx")).FORMAT == "mine"
    assert plugins.load("exporters", "onnx").FORMAT == "onnx"


def test_two_folders_of_plugins_do_not_mix(own: Callable[..., str], tmp_path: Path) -> None:
    first = own()
    other = tmp_path / "other" / "exporters"
    other.mkdir(parents=True)
    (other / "mine.py").write_text(OWN.replace("{more}", "").replace('"mine"', '"theirs"'))
    assert plugins.load("exporters", "mine", str(tmp_path / "other")).FORMAT == "theirs"
    assert plugins.load("exporters", "mine", first).FORMAT == "mine"
    assert plugins.options(plugins.load("exporters", "mine", first), {"level": 4}).level == 4


@pytest.mark.parametrize("name", ["contract", "__init__", "../onnx", "Onnx", "onnx.py", ""])
def test_what_is_no_plugin_is_not_loaded(name: str) -> None:
    with pytest.raises(UserError, match="does not exist"):
        plugins.load("exporters", name)


def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(UserError, match=r"exporter 'tfilte' does not exist: did you mean 'tflite'\? allowed: .*onnx"):
        plugins.load("exporters", "tfilte")


def test_defaults_are_those_of_the_dataclass(own: Callable[..., str]) -> None:
    module = plugins.load("exporters", "mine", own(more="must: int | None = None"))
    assert plugins.defaults(module) == {"level": 3, "tags": ["a"], "must": None}


def test_options_are_checked_against_the_dataclass(own: Callable[..., str]) -> None:
    folder = own()
    with pytest.raises(UserError, match=r"export\.mine\.level: 10 is out of range .*allowed: 1 … 9"):
        config.compose([f"plugins_dir={folder}", "+export.mine={method: mine, level: 10}"])
    with pytest.raises(UserError, match=r"export\.mine\.levle: unknown key .*did you mean 'level'"):
        config.compose([f"plugins_dir={folder}", "+export.mine={method: mine, levle: 1}"])


def test_a_format_of_ones_own_meets_the_runtime_that_reads_it(own: Callable[..., str]) -> None:
    own()
    folder = own("runtimes")
    more = [f"plugins_dir={folder}", "+export.mine={method: mine}", "+runtime.mine={method: mine}"]
    cells = {(p.cell.export, p.cell.runtime) for p in plan.make(config.compose(["quant=none", *more]).config).cells}
    assert ("mine", "mine") in cells
    assert not {pair for pair in cells if (pair[0] == "mine") != (pair[1] == "mine")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", r"mine\.py cannot be imported: SyntaxError: .*line 1"),
        ("\nimport no_such_module\n", r"mine\.py cannot .* ModuleNotFoundError: .*no_such_module' \(line 2\)"),
        ("raise RuntimeError('first\\nsecond')\n", r"RuntimeError: first second \(line 1\)"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_line(own: Callable[..., str], text: str, words: str) -> None:
    folder = own(text=text)
    with pytest.raises(UserError, match=words) as caught:
        config.compose([f"plugins_dir={folder}", "+export.mine={method: mine}"])
    assert "\n" not in str(caught.value)


def test_a_plugin_that_lacks_something_is_one_line_with_what(own: Callable[..., str]) -> None:
    folder = own(text="PACKAGES = ()\n")
    with pytest.raises(UserError, match=r"mine\.py lacks FORMAT, .*Options"):
        config.compose([f"plugins_dir={folder}", "+export.mine={method: mine}"])
