"""A run as others can have it: the same tables, nothing of the machine's folders, latencies as quantiles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import cli, tables
from harness.codec import encode_record
from harness.report import build
from harness.report.latencies import FILE, quantiles
from harness.tables.read import read
from tests.harness.compare.conftest import Runs, cell

MODEL = "mobilenet_v2"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a run that knows where it was made, with a cell that has no labels and one that stopped."""
    checkout = tmp_path / "home" / "checkout"
    checkout.mkdir(parents=True)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    runs = Runs(checkout / "results")
    cache = tmp_path / "elsewhere" / "cache"
    made = {"made_from": {"export": f"{cache}/entries/export/ab/data"}}
    whole = runs.record("r1")
    long = {
        "float_ops": [f"float op ADD 'net/block{n}/add'" for n in range(900)],
        "quantize": {"ranges": {f"r{n}": [0.1, 0.2] for n in range(900)}, "denied": ["a"]},
    }
    artifact = f"{cache}/entries/export/ab/data/model.tflite"
    whole = replace(whole, artifact=artifact, logs={"export": "logs/a.log"}, details={**whole.details, **made, **long})
    blind = runs.record("r1", cell("float16"), top1=None)
    gone = runs.stopped(runs.record("r1", cell("dynamic")))
    assert gone.failure is not None
    message = f"no file {checkout}/x, nor {tmp_path}/home/y, nor {tmp_path}/homely"
    gone = replace(gone, failure=replace(gone.failure, message=message))
    folder = runs.write("r1", [whole, blind, gone])
    (folder / "config.yaml").write_text(f"cache_dir: {cache}\nresults_dir: {checkout}/results\n")
    (folder / "logs").mkdir()
    (folder / "logs" / "a.log").write_text("noise")
    return folder


def test_the_same_tables_come_out_of_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["publish", "r1", "out/photos"]) == 0
    assert capsys.readouterr().out.startswith("out/photos (0.")
    before, after = tables.load(run), tables.load("out/photos")
    same = [name for name in before.columns if name not in ("artifact", "message", "verdict_text", "notes")]
    assert before[same].equals(after[same])
    build([Path("out/photos")], tmp_path / "page")
    assert (tmp_path / "page" / "compatibility.md").is_file()


def test_it_says_nothing_of_the_machines_folders(run: Path, tmp_path: Path) -> None:
    assert cli.main(["publish", str(run), "out"]) == 0
    for file in Path("out").rglob("*"):
        text = file.read_text("latin-1") if file.is_file() else ""
        assert str(tmp_path) not in text.replace(f"{tmp_path}/homely", ""), file
    records = {record.cell.quant: record for record in read("out").records}
    assert records["int8"].artifact == "cache/entries/export/ab/data/model.tflite"
    assert records["dynamic"].failure is not None
    assert records["dynamic"].failure.message == f"no file ./x, nor ~/y, nor {tmp_path}/homely"


def test_what_is_long_is_shortened_and_logs_and_samples_stay(run: Path) -> None:
    assert cli.main(["publish", str(run), "out"]) == 0
    (record,) = (one for one in read("out").records if one.cell.quant == "int8")
    assert record.details["float_ops"][-1] == "and 888 more"
    assert len(record.details["float_ops"]) == 13
    assert record.details["quantize"] == {"denied": ["a"]}
    assert record.logs == {}
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "config.yaml", "environment.json", FILE, "predictions", "records.jsonl",
    ]  # fmt: skip


def test_a_run_that_is_not_finished_is_published_and_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = json.loads((run / "run.json").read_text()) if (run / "run.json").is_file() else {}
    (run / "run.json").write_text(json.dumps(plan | {"cells": 10}))
    assert cli.main(["publish", str(run), "out"]) == 0
    assert capsys.readouterr().out.strip().endswith("; the run is not finished: 7 of 10 cells are missing")


@pytest.mark.parametrize("revision", ["0a1b2c", "0a1b2c-dirty", None])
def test_of_code_that_is_in_no_commit_is_said_so(
    run: Path, capsys: pytest.CaptureFixture[str], revision: str | None
) -> None:
    (run / "environment.json").write_text(json.dumps({"git_revision": revision}))
    assert cli.main(["publish", "r1", "out"]) == 0
    told = "files differed from the commit (0a1b2c-dirty): nobody can run that again"
    assert (told in capsys.readouterr().out) == (revision == "0a1b2c-dirty")


def test_of_some_models_is_said_that_they_are_all_there(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run for two models, one of which was measured, is not finished; what it has of that one is."""
    (run / "config.yaml").write_text(f"model:\n  {MODEL}: {{source: x}}\n  late: {{source: y}}\n")
    (run / "run.json").write_text(json.dumps({"id": "r1", "cells": 6, "complete": False}))
    assert cli.main(["publish", str(run), "out"]) == 0
    assert "3 of 6 cells are missing" in capsys.readouterr().out
    assert cli.main(["publish", str(run), "out", "--models", f" {MODEL},"]) == 0
    assert "missing" not in capsys.readouterr().out
    assert json.loads(Path("out/run.json").read_text()) == {
        "id": "r1", "cells": 3, "complete": True, "models": [MODEL],
    }  # fmt: skip
    assert len(read("out").records) == 3
    assert cli.main(["publish", str(run), "out", "--models", "late"]) == 2
    told = capsys.readouterr().err
    assert told == f"error: --models=late: {run} has no cell of it; allowed: {MODEL}\n"


def test_of_what_was_left_out_before_nothing_is_counted(run: Path) -> None:
    """Some models of some models: the cells of a model are those of what is left, not of all that was asked for."""
    (run / "config.yaml").write_text(f"model: {{{MODEL}: {{}}, late: {{}}, later: {{}}}}\n")
    (run / "run.json").write_text(json.dumps({"id": "r1", "cells": 6, "models": [MODEL, "late"]}))
    assert cli.main(["publish", str(run), "out", "--models", MODEL]) == 0
    assert json.loads(Path("out/run.json").read_text()) == {
        "id": "r1", "cells": 3, "complete": True, "models": [MODEL],
    }  # fmt: skip


def test_a_model_that_lacks_cells_is_not_called_complete(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "config.yaml").write_text(f"model: {{{MODEL}: {{}}, late: {{}}}}\n")
    (run / "run.json").write_text(json.dumps({"id": "r1", "cells": 8, "complete": False}))
    assert cli.main(["publish", str(run), "out", "--models", MODEL]) == 0
    assert capsys.readouterr().out.strip().endswith("; the run is not finished: 1 of 4 cells are missing")
    assert json.loads(Path("out/run.json").read_text())["complete"] is False


def test_only_cells_of_the_models_named_are_published(run: Path) -> None:
    first = read(run).records[0]
    with (run / "records.jsonl").open("ab") as file:
        file.write(encode_record(replace(first, cell=replace(first.cell, model="other"))) + b"\n")
    assert cli.main(["publish", str(run), "out", "--models", "other"]) == 0
    assert [record.cell.model for record in read("out").records] == ["other"]
    assert not Path("out/run.json").exists(), "where there is none, none is made up"
    assert cli.main(["publish", str(run), "out"]) == 0
    assert len(read("out").records) == 4


def test_a_run_without_a_record_is_not_published(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "records.jsonl").write_text("")
    assert cli.main(["publish", str(run), "out"]) == 2
    assert "has no finished cell yet" in capsys.readouterr().err
    assert not Path("out").exists()


def test_predictions_are_kept_where_they_can_be_right_or_wrong(run: Path) -> None:
    assert cli.main(["publish", str(run), "out"]) == 0
    files = {record.cell.quant: record.details.get("files") for record in read("out").records}
    assert files["float16"] is None
    assert files["int8"] == {"predictions": "predictions/" + next(Path("out/predictions").iterdir()).name}
    assert len(list(Path("out/predictions").iterdir())) == 1


def test_latencies_are_drawn_as_from_the_samples(run: Path) -> None:
    assert cli.main(["publish", str(run), "out"]) == 0
    for record in read(run).records:
        (own,) = (one for one in read("out").records if one.cell == record.cell)
        assert quantiles(own, Path("out")) == quantiles(record, run)
    assert len(json.loads(Path("out", FILE).read_text())) == 2


@pytest.mark.parametrize("content", ["[]", "{", '{"digits x": [[1, "a"]]}', '{"digits x": 3}'])
def test_latencies_that_are_none_are_no_picture(run: Path, content: str) -> None:
    assert cli.main(["publish", str(run), "out"]) == 0
    Path("out", FILE).write_text(content)
    assert [quantiles(record, Path("out")) for record in read("out").records] == [[], [], []]


def test_it_can_be_published_again_but_over_nothing_else(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [cli.main(["publish", str(run), "out"]) for _ in range(2)] == [0, 0]
    Path("mine").mkdir()
    Path("mine/letter").write_text("dear")
    capsys.readouterr()
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert cli.main(["publish", str(run), str(run)]) == 2
    assert cli.main(["publish", "out", str(run)]) == 2, "words in the wrong order"
    assert cli.main(["publish", "out", "out"]) == 2
    assert before == {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert next(Path("out/predictions").iterdir()).is_file()
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[2].split(";")[0] for line in told] == [
        "is the run itself", "holds something else", "is the run itself",
    ]  # fmt: skip
    assert cli.main(["publish", str(run), "mine"]) == 2
    assert cli.main(["publish", str(run), "mine/letter"]) == 2
    assert cli.main(["publish", "nowhere", "out"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        "error: mine: holds something else; allowed: a new folder, or one that the same run was published to"
    )
