"""Expected failures: shown, no alarm; an alarm when they are over, as long as their entry stands."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.compare.comparison import Comparison
from harness.compare.render import as_json, junit, terminal
from harness.known_issues import KnownIssue
from harness.records import Record
from tests.harness.compare.conftest import Runs, cell

ISSUE = KnownIssue("tfmot takes no such layer", ["mobilenet_v*/qat/*"], "export", "refuses", "https://example.org/1",
                   "tensorflow-model-optimization", "0.8.0")  # fmt: skip
KNOWN = {"no_layer": ISSUE}
NEW = {"packages": {"tensorflow-model-optimization": "0.8.1"}}
OLD = {"packages": {"tensorflow-model-optimization": "0.7.0"}}


def _works(runs: Runs, run: str, model: str = "mobilenet_v2") -> Record:
    return runs.record(run, cell("qat", model=model))


def _fails(runs: Runs, run: str, model: str = "mobilenet_v2", reason: str = "refuses") -> Record:
    return runs.stopped(_works(runs, run, model), reason)


def _found(comparison: Comparison) -> list[tuple[str, str]]:
    return [(one.grade, one.kind) for one in comparison.findings]


def test_a_failure_that_is_expected_is_shown_and_stops_nothing(runs: Runs) -> None:
    runs.write("a", [_fails(runs, "a")], environment=NEW)
    runs.write("b", [_fails(runs, "b")], environment=NEW)
    found = runs.compare("a", "b", known=KNOWN)
    assert _found(found) == [("known", "known_issue")]
    assert found.findings[0].text == "no_layer: tfmot takes no such layer (https://example.org/1)"
    assert (found.code, found.remarks) == (0, ())
    assert runs.compare("a", "b").findings == ()
    assert "known: no_layer" in junit.text(found)
    assert "<failure" not in junit.text(found)


def test_a_new_failure_that_is_expected_is_no_regression_but_its_step_is_told(runs: Runs) -> None:
    runs.write("a", [_works(runs, "a")], environment=OLD)
    runs.write("b", [_fails(runs, "b")], environment=NEW)
    found = runs.compare("a", "b", known=KNOWN)
    assert found.code == 0
    assert found.findings[0].text.startswith("ok → failed at export (refuses): no_layer: ")
    assert _found(runs.compare("a", "b")) == [("regression", "new_failure")]


def test_another_failure_of_the_same_cell_is_not_expected(runs: Runs) -> None:
    runs.write("a", [_works(runs, "a")], environment=NEW)
    runs.write("b", [_fails(runs, "b", reason="aborted")], environment=NEW)
    assert _found(runs.compare("a", "b", known=KNOWN)) == [("regression", "new_failure")]


def test_a_known_failure_that_became_another_with_the_same_code_is_told(runs: Runs) -> None:
    known = {"no_layer": replace(ISSUE, message="takes no")}
    old, new = (replace(one.failure, message=text) for text in ("it takes no Foo", "out of ideas")
                for one in [_fails(runs, "a")] if one.failure)  # fmt: skip
    runs.write("a", [replace(_fails(runs, "a"), failure=old)], environment=NEW)
    runs.write("b", [replace(_fails(runs, "b"), failure=new)], environment=NEW)
    found = runs.compare("a", "b", known=known)
    assert _found(found) == [("note", "changed_reason")]
    assert found.findings[0].text.endswith("but no longer as no_layer: out of ideas")
    assert _found(runs.compare("a", "a", known=known)) == [("known", "known_issue")]


def test_a_cell_of_a_toolchain_has_the_packages_of_that(runs: Runs) -> None:
    record = replace(_fails(runs, "a"), cell=cell("qat", toolchain="tf215"))
    folder = runs.write("a", [record], environment=NEW)
    (folder / "environment-tf215.json").write_text(json.dumps(OLD))
    assert _found(runs.compare("a", "a", known=KNOWN)) == []
    (folder / "environment-tf215.json").write_text(json.dumps(NEW))
    assert _found(runs.compare("a", "a", known=KNOWN)) == [("known", "known_issue")]


def test_the_same_failure_with_a_package_that_should_not_have_it_is_not_expected(runs: Runs) -> None:
    runs.write("a", [_works(runs, "a")], environment=OLD)
    runs.write("b", [_fails(runs, "b")], environment=OLD)
    assert _found(runs.compare("a", "b", known=KNOWN)) == [("regression", "new_failure")]


def test_what_starts_to_pass_alarms_until_its_entry_goes(runs: Runs) -> None:
    runs.write("a", [_fails(runs, "a")], environment=NEW)
    runs.write("b", [_works(runs, "b")], environment=NEW)
    found = runs.compare("a", "b", known=KNOWN)
    assert _found(found) == [("regression", "known_issue_over")]
    assert found.code == 1
    assert "no_layer is over, so its entry among the known issues has to go" in found.findings[0].text
    gone = runs.compare("a", "b")
    assert (_found(gone), gone.code) == ([("improvement", "fixed")], 0)


def test_a_noisy_cell_passes_too(runs: Runs) -> None:
    runs.write("a", [_fails(runs, "a")], environment=NEW)
    runs.write("b", [replace(_works(runs, "b"), status="noisy")], environment=NEW)
    assert _found(runs.compare("a", "b", known=KNOWN)) == [("regression", "known_issue_over")]


def test_an_entry_that_explains_nothing_is_told(runs: Runs) -> None:
    """The base may have passed already, so that no step is seen."""
    runs.write("a", [_works(runs, "a"), _works(runs, "a", "mobilenet_v3")], environment=NEW)
    runs.write("b", [_works(runs, "b"), _fails(runs, "b", "mobilenet_v3", "aborted")], environment=NEW)
    told = runs.compare("a", "b", known=KNOWN).remarks
    assert "known issue no_layer: 1 of its 2 cells work, and none fails as it says" in told
    runs.write("c", [_works(runs, "c"), _fails(runs, "c", "mobilenet_v3")], environment=NEW)
    assert not [line for line in runs.compare("a", "c", known=KNOWN).remarks if "no_layer" in line]


def test_new_and_missing_cells_are_judged_as_ever(runs: Runs) -> None:
    kept = runs.record("a")
    runs.write("a", [kept, _fails(runs, "a")], environment=NEW)
    runs.write("b", [replace(kept, run="b"), _fails(runs, "b", "mobilenet_v3")], environment=NEW)
    assert _found(runs.compare("a", "b", known=KNOWN)) == [("regression", "missing_cell"), ("known", "known_issue")]


def test_many_cells_of_one_issue_are_one_line(runs: Runs) -> None:
    models = [f"mobilenet_v{i}" for i in range(9)]
    for run in ("a", "b"):
        runs.write(run, [_fails(runs, run, model) for model in models], environment=NEW)
    found = runs.compare("a", "b", known=KNOWN)
    lines = ["".join(text for text, _ in line) for line in terminal.lines(found)]
    assert lines[2] == (
        "  ~ 9 cells of 9 models  no_layer: tfmot takes no such layer (https://example.org/1): mobilenet_v0/qat/tflite/"
        "xnnpack/t1, mobilenet_v1/qat/tflite/xnnpack/t1, mobilenet_v2/qat/tflite/xnnpack/t1 and 6 more"
    )
    assert lines[-1] == "9 cells on both sides: 9 known issues"
    assert len(json.loads(as_json.text(found))["findings"]) == 9


def test_an_environment_that_is_no_object_is_taken_for_unknown(runs: Runs) -> None:
    runs.write("a", [_works(runs, "a")])
    runs.write("b", [_fails(runs, "b")], environment={"packages": [1, 2]})
    assert _found(runs.compare("a", "b", known=KNOWN)) == [("known", "known_issue")]
