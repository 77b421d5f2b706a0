"""The command line: what each command prints, and that every mistake is one line and exit code 2."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import cli, config, locks, store

FAKES = Path(__file__).parent / "runner" / "fakes"
RAISES = "+export.raise={method: fault, kind: raise}"


@dataclass(frozen=True)
class Home:
    """A folder with one run of stand-in stages: two cells that went well, two that failed."""

    root: Path

    @property
    def base(self) -> list[str]:
        own = [f"{name}_dir={self.root / name}" for name in ("results", "reports", "cache")]
        return ["runtime=[cpu,xnnpack]", "export=tflite", "task=photos", "measure=quick",
                f"plugins_dir={FAKES / 'plugins'}", "limits.jobs=1", *own]  # fmt: skip

    @property
    def run(self) -> str:
        return str(self.root / "results" / "one")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("home"))
    shutil.copytree(FAKES / "stages", made.root / "stages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_STAGE_PATH", str(made.root / "stages"))
        patch.setattr(locks, "SYSTEM_TEMP", made.root)  # stand-ins measure nothing: no need to wait for other runs
        assert cli.main([*made.base, "quant=none", RAISES, "run_id=one"]) == 0
    return made


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts in an empty folder, with a machine lock of its own."""
    monkeypatch.setattr(locks, "SYSTEM_TEMP", tmp_path)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def wrong(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Return the one line that a mistake prints."""
    assert cli.main(args) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("error: ")
    return line


def right(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Return what a command prints on stdout."""
    assert cli.main(args) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_is_one_screen_of_commands_choices_and_examples(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    text = right(capsys, flag)
    lines = text.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 120
    for name in cli.COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in lines), name
    for group in config.groups():
        assert any(line.startswith(f"  {group} ") for line in lines), group
        assert set(config.choices(group)) <= set(text.split()), group
    assert "exit codes" in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["shwo"], ["'shwo'", "did you mean 'show'", "allowed"]),
        (["resnet50"], ["'resnet50'", "neither a command nor an override"]),
        (["modle=resnet50"], ["did you mean 'model'"]),
        (["list", "rutime"], ["did you mean 'runtime'"]),
        (["list", "model", "quant"], ["unrecognized arguments: quant"]),
        (["show", "one"], ["show", "required: cell"]),
        (["report", "nowhere"], ["nowhere: no run there"]),
        (["show", "nowhere", "cell"], ["nowhere: no run there"]),
        (["cache", "prune"], ["--older-than-days", "--max-gib", "--all"]),
        (["cache", "shrink"], ["invalid choice", "prune"]),
        (["cache", "prune", "--max-gib", "much"], ["--max-gib", "much"]),
        (["-m", "modle=a,b"], ["modle", "did you mean 'model'"]),
        (["-m", "model=resnet50,resnet5"], ["'resnet5' does not exist", "did you mean"]),
        (["-m", "quant=["], ["quant=["]),
        (["-m", "quant=null,int8"], ["quant: None is no name"]),
        (["--cfg", "job", "quant=int7"], ["did you mean 'int8'"]),
        (["+verdict.schemes.int8.mni.cosine=1"], ["verdict.schemes.int8.mni", "did you mean 'min'"]),
        (["~verdict.schemes.default"], ["verdict.schemes.default: missing"]),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], args: list[str], words: list[str]) -> None:
    line = wrong(capsys, *args)
    for word in words:
        assert word in line, line
    assert {path.name for path in Path.cwd().iterdir()} <= {"results"}  # Hydra keeps what a multirun was asked there


def test_list_shows_every_choice_of_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    text = right(capsys, "list")
    for group in config.groups():
        assert f"\n{group}:\n" in f"\n{text}"
        own = right(capsys, "list", group).splitlines()
        assert own[0] == f"{group}:"
        assert [line.split()[0] for line in own[1:]] == config.choices(group)
        assert "\n".join(own) in text
    assert "set of dynamic, float16, int8" in text
    assert "scheme=int8_only per_channel=True" in text


def test_show_tells_everything_of_a_cell(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    text = right(capsys, "show", home.run, "mobilenet_v2/none/tflite/xnnpack/t1")
    assert text.startswith("mobilenet_v2/none/tflite/xnnpack/t1   ok, ")
    blocks = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert blocks[1:] == ["values", "no value", "options", "files", "artifact", "run"]
    (artifact,) = [line.split()[1] for line in text.splitlines() if line.startswith("  path ")]
    assert Path(artifact).read_text() == "the same"
    assert "no labels" in text


def test_show_of_a_failed_cell_has_its_reason_and_its_log(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    text = right(capsys, "show", home.run, "raise/cpu")
    assert text.splitlines()[0].startswith("mobilenet_v2/none/raise/cpu/t1   failed, fails: export")
    assert "the converter says no" in text
    logs = [Path(word) for word in text.split() if word.endswith(".log")]
    assert {log.name for log in logs} >= {"export__mobilenet_v2__none__raise.log"}
    assert all(log.is_file() for log in logs)


def test_show_json_is_the_record_as_it_is_stored(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    found = json.loads(right(capsys, "show", home.run, "tflite/cpu", "--json"))
    stored = [json.loads(line) for line in (Path(home.run) / "records.jsonl").read_text().splitlines()]
    (same,) = [r for r in stored if (r["cell"]["export"], r["cell"]["runtime"]) == ("tflite", "cpu")]
    del same["checksum"]
    assert found == found | same


def test_a_shortened_cell_must_be_unique_and_there(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    line = wrong(capsys, "show", home.run, "tflite")
    assert "not unique" in line
    assert "tflite/cpu/t1" in line
    assert "tflite/xnnpack/t1" in line
    line = wrong(capsys, "show", home.run, "mobilenet_v2/none/tflite/cpv/t1")
    assert "did you mean 'mobilenet_v2/none/tflite/cpu/t1'" in line


def test_a_run_is_found_by_its_name_and_a_misspelt_one_is_told(
    capsys: pytest.CaptureFixture[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.root)
    assert "ok" in right(capsys, "show", "one", "tflite/cpu")
    assert "did you mean 'one'" in wrong(capsys, "show", "onee", "tflite/cpu")


@pytest.mark.parametrize("export", ["tflite", "raise"])
def test_repro_prints_a_command_that_chooses_exactly_that_cell(
    capsys: pytest.CaptureFixture[str], home: Home, export: str
) -> None:
    import shlex

    words = shlex.split(right(capsys, "repro", home.run, f"{export}/xnnpack", "--print"))
    assert words[:3] == ["python", "-m", "harness"]
    chosen = config.compose(words[3:]).config
    assert (list(chosen.export), list(chosen.runtime)) == ([export], ["xnnpack"])
    assert chosen.rerun


def test_repro_runs_the_cell_again_and_says_what_it_was(
    capsys: pytest.CaptureFixture[str], home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_STAGE_PATH", str(home.root / "stages"))
    text = right(
        capsys, "repro", home.run, "raise/cpu", f"results_dir={tmp_path / 'r'}", f"reports_dir={tmp_path / 'p'}"
    )
    assert text.splitlines()[-1].rstrip() == "before: failed"
    (run,) = (tmp_path / "r").iterdir()
    (record,) = store.read(run)
    assert record.cell.id == "mobilenet_v2/none/raise/cpu/t1"
    assert record.status == "failed"


def test_report_writes_its_pages_where_it_is_told(
    capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path
) -> None:
    text = right(capsys, "report", home.run, "--out", str(tmp_path / "pages"))
    named = {Path(line) for line in text.splitlines() if line.startswith(str(tmp_path))}
    assert {path.suffix for path in named} == {".md", ".csv", ".parquet", ".html"}
    assert all(path.stat().st_size for path in named)
    assert "mobilenet_v2" in text
    assert not list(Path.cwd().iterdir())


def test_cache_shows_and_prunes(capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home.root / "cache", copy)
    before = _kinds(right(capsys, "cache", "--dir", str(copy)))
    assert before["export"] == 2  # what went well, and the failure that would happen again
    assert before["source"] == 1
    text = right(capsys, "cache", "prune", "--all", "--kind", "export", "--dir", str(copy))
    assert text.startswith("freed ")
    assert _kinds(text).get("export", 0) == 0
    assert _kinds(text)["source"] == 1
    right(capsys, "cache", "prune", "--older-than-days", "1", "--dir", str(copy))
    assert _kinds(right(capsys, "cache", "--dir", str(copy)))["source"] == 1
    right(capsys, "cache", "prune", "--max-gib", "0", "--dir", str(copy))
    assert not sum(_kinds(right(capsys, "cache", "--dir", str(copy))).values())


def _kinds(text: str) -> dict[str, int]:
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if " entries " in line}


def test_doctor_names_packages_machine_and_room(capsys: pytest.CaptureFixture[str]) -> None:
    lines = right(capsys, "doctor").splitlines()
    assert all(line.startswith(("ok ", "!! ")) for line in lines)
    for name in ("python", "cpu flags", "governor", "load", "memory", "cache folder", "tensorflow", "ai-edge-litert"):
        assert any(line[4:].startswith(f"{name} ") for line in lines), name
    assert not list(Path.cwd().iterdir())


def test_multirun_is_a_run_for_each_choice_and_leaves_no_litter(
    capsys: pytest.CaptureFixture[str], home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_STAGE_PATH", str(home.root / "stages"))
    base = [word for word in home.base if not word.startswith("results_dir=")]
    text = right(capsys, "-m", *base, f"results_dir={tmp_path / 'many'}", "quant=none", "model=mobilenet_v2,mobilenet")
    folders = [Path(line.removeprefix("run: ")) for line in text.splitlines() if line.startswith("run: ")]
    assert [{record.cell.model for record in store.read(folder)} for folder in folders] == [
        {"mobilenet_v2"},
        {"mobilenet"},
    ]
    assert not list(Path.cwd().iterdir())


def test_cfg_prints_the_tree_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    text = right(capsys, "--cfg", "job", "quant=int8")
    assert "scheme: int8" in text
    assert not list(Path.cwd().iterdir())
