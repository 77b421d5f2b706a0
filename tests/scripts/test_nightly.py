"""scripts/nightly.sh: every turn a night can take, by a stand-in for the harness."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.scripts.night import SCRIPT, Night, script

STAND_IN = """#!/usr/bin/env bash
# Called as PYTHON -m harness ...: writes down its words, leaves what a run or a comparison leaves, ends as it is told.
shift 2
printf '%s\\n' "$*" >>"$STAND_IN/calls"
case $1 in
compare | history)
  name=$1
  while [[ $# -gt 0 ]]; do
    if [[ $1 == --markdown && -z ${NO_PAGE:-} ]]; then printf '## the page of %s\\n' "$name" >"$2"; fi
    shift
  done
  if [[ $name == history ]]; then exit "${HISTORY_CODE:-0}"; fi
  exit "${COMPARE_CODE:-0}" ;;
cache) exit "${PRUNE_CODE:-0}" ;;
esac
for word in "$@"; do
  case $word in
  run_id=*) run=${word#*=} ;;
  results_dir=*) results=${word#*=} ;;
  esac
done
mkdir -p "$results/$run"
if [[ -z ${NO_RECORD:-} ]]; then printf '{}\\n' >"$results/$run/records.jsonl"; fi
exit "${RUN_CODE:-0}"
"""
DATE = """#!/usr/bin/env bash
# A clock that goes a minute a look.
n=$(($(cat "$STAND_IN/minute") + 1))
echo "$n" >"$STAND_IN/minute"
printf '20261101-00%02d00\\n' "$n"
"""


@dataclass
class Nights:
    """Nights of one home, by a stand-in."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / "bin").mkdir(parents=True)
        for name, content in (("python", STAND_IN), ("date", DATE)):
            (self.root / "bin" / name).write_text(content)
            (self.root / "bin" / name).chmod(0o755)
        (self.root / "minute").write_text("0")

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def good(self) -> str:
        return (self.home / "tiny" / "last_good").read_text()

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()

    @property
    def looked_back(self) -> list[str]:
        """The nights that the newest look at the history was given."""
        (*_, last) = (call for call in self.calls if call.startswith("history "))
        return [Path(word).name[-6:] for word in last.split("--")[0].split()[1:]]

    def names(self, kind: str = "results") -> list[str]:
        return sorted(path.name.removeprefix("tiny-20261101-") for path in (self.home / "tiny" / kind).iterdir())

    def __call__(self, *words: str, **env: str) -> Night:
        own = {"STAND_IN": str(self.root), "NIGHTLY_HOME": str(self.home), "PYTHON": str(self.root / "bin" / "python"),
               "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
        return script(*words, cwd=self.root, **own | self.env | env)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_the_script_is_sound() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    assert os.access(SCRIPT, os.X_OK)
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not here")
    subprocess.run([checker, SCRIPT], check=True)


def test_the_first_night_has_nothing_to_be_held_against(nights: Nights) -> None:
    done = nights("tiny", "quant=int8")
    assert (done.code, done.err) == (0, "")
    run, history, prune = nights.calls
    state, name = nights.home / "tiny", "tiny-20261101-000100"
    assert run.split() == [
        "+experiment=tiny", f"run_id={name}", f"results_dir={state}/results", f"reports_dir={state}/reports",
        f"cache_dir={nights.home}/cache", "quant=int8",
    ]  # fmt: skip
    assert history.split()[:3] == ["history", f"{state}/results/{name}", "--confirm"]
    assert prune == f"cache prune --dir {nights.home}/cache --max-gib 20"
    assert nights.good == f"{name}\n"
    assert done.summary.splitlines()[0] == f"# {name}: nothing got worse"
    assert "There was no good night to hold it against.\n\n## the page of history\n" in done.summary


def test_a_good_night_is_the_next_baseline_and_a_bad_one_is_not(nights: Nights) -> None:
    assert nights("tiny").code == 0
    assert nights("tiny").code == 0
    assert nights.good == "tiny-20261101-000200\n"
    bad = nights("tiny", COMPARE_CODE="1")
    assert bad.code == 1
    assert nights.good == "tiny-20261101-000200\n"
    again = nights("tiny", COMPARE_CODE="1")
    assert again.code == 1
    compared = [call.split()[1:4] for call in nights.calls if call.startswith("compare")]
    assert [(Path(a).name[-6:], Path(b).name[-6:], flag) for a, b, flag in compared] == [
        ("000100", "000200", "--confirm"), ("000200", "000300", "--confirm"), ("000200", "000400", "--confirm"),
    ]  # fmt: skip
    assert bad.summary.startswith("# tiny-20261101-000300: something got worse\n\n## the page of compare\n")
    assert "`scripts/nightly.sh accept tiny tiny-20261101-000300`" in bad.summary


def test_what_the_nights_before_say_counts_as_well(nights: Nights) -> None:
    """A slow-down that one comparison missed would be the level of all later ones."""
    for _ in range(2):
        nights("tiny")
    bad = nights("tiny", HISTORY_CODE="1")
    assert bad.code == 1
    assert bad.summary.startswith(
        "# tiny-20261101-000300: something got worse\n\n## the page of compare\n\n## the page of"
    )
    assert nights.good == "tiny-20261101-000200\n"
    assert nights.looked_back == ["000100", "000200", "000300"]
    broken = nights("tiny", HISTORY_CODE="2", COMPARE_CODE="1", NO_PAGE="1")
    assert broken.code == 2
    assert "The history could not be looked at." in broken.summary


def test_the_history_begins_anew_with_what_was_accepted(nights: Nights) -> None:
    for code in "001":
        nights("tiny", HISTORY_CODE=code)
    assert nights("accept", "tiny", "tiny-20261101-000200").code == 0
    assert nights("tiny").code == 0
    assert nights.looked_back == ["000200", "000300", "000400"]
    assert nights("accept", "tiny").code == 0
    assert nights("tiny").code == 0
    assert nights.looked_back == ["000400", "000500"]


def test_a_night_can_be_accepted(nights: Nights) -> None:
    for code in "011":
        nights("tiny", COMPARE_CODE=code)
    assert nights.good == "tiny-20261101-000100\n"
    assert nights("accept", "tiny").code == 0
    assert nights.good == "tiny-20261101-000300\n"
    assert nights("accept", "tiny", "tiny-20261101-000200").code == 0
    assert nights.good == "tiny-20261101-000200\n"
    for words in (["accept"], ["accept", "tiny", "tiny-1"], ["accept", "tiny", "../x"], ["accept", "other"]):
        done = nights(*words)
        assert done.code == 2
        assert done.err.startswith("nightly: ")
    assert nights.good == "tiny-20261101-000200\n"


def test_the_experiment_is_nightly_unless_told_and_each_has_its_own_baseline(nights: Nights) -> None:
    assert nights().code == 0
    assert nights("tiny").code == 0
    assert not [call for call in nights.calls if call.startswith("compare")]
    assert (nights.home / "nightly" / "last_good").read_text() == "nightly-20261101-000100\n"


@pytest.mark.parametrize("lost", ["results", "name", "outside"])
def test_a_lost_baseline_is_told_and_does_not_stop_the_night(nights: Nights, lost: str) -> None:
    nights("tiny")
    good = nights.home / "tiny" / "last_good"
    if lost == "results":
        shutil.rmtree(nights.home / "tiny" / "results")
    good.write_text({"results": good.read_text(), "name": "tiny-$(reboot)\n", "outside": "../../x\n"}[lost])
    done = nights("tiny")
    assert done.code == 0
    assert "is lost: nothing is compared" in done.err
    assert done.err.count("\n") == 1
    assert nights.good == "tiny-20261101-000200\n"


def test_a_mistake_in_the_run_is_code_2_and_no_baseline_though_the_rest_is_judged(nights: Nights) -> None:
    nights("tiny")
    done = nights("tiny", RUN_CODE="2", COMPARE_CODE="1")
    assert done.code == 2
    assert "could not be done or judged as a whole" in done.summary
    assert "## the page of compare" in done.summary
    assert nights.good == "tiny-20261101-000100\n"


def test_a_gate_of_the_run_counts_like_a_regression(nights: Nights) -> None:
    assert nights("tiny", RUN_CODE="1").code == 1
    assert not (nights.home / "tiny" / "last_good").exists()


@pytest.mark.parametrize("code", ["2", "139"])
def test_a_comparison_that_is_not_possible_is_code_2(nights: Nights, code: str) -> None:
    nights("tiny")
    done = nights("tiny", COMPARE_CODE=code, NO_PAGE="1")
    assert done.code == 2
    assert "It could not be held against tiny-20261101-000100." in done.summary
    assert nights.good == "tiny-20261101-000100\n"


def test_a_night_without_records_is_code_2(nights: Nights) -> None:
    done = nights("tiny", NO_RECORD="1", RUN_CODE="1")
    assert (done.code, done.err) == (2, "nightly: the run has left no record\n")


def test_an_interrupted_night_is_not_judged(nights: Nights) -> None:
    nights("tiny")
    assert nights("tiny", RUN_CODE="130").code == 130
    assert not [call for call in nights.calls if call.startswith("compare")]
    assert nights.good == "tiny-20261101-000100\n"


def test_the_newest_nights_are_kept_and_the_good_one(nights: Nights) -> None:
    nights("tiny")
    for _ in range(5):
        nights("tiny", COMPARE_CODE="1", NIGHTLY_KEEP="2")
    assert nights.names() == nights.names("reports") == ["000100", "000500", "000600"]
    assert nights("tiny", NIGHTLY_KEEP="0").code == 0
    assert nights.names() == ["000700"]


def test_a_cache_that_cannot_be_pruned_is_no_regression(nights: Nights) -> None:
    done = nights("tiny", PRUNE_CODE="2")
    assert (done.code, done.err) == (0, "nightly: the cache was not pruned\n")


def test_two_nights_at_once_are_one_too_many(nights: Nights) -> None:
    nights.home.mkdir()
    with (nights.home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = nights("tiny")
    assert done.code == 2
    assert "another night is under way" in done.err
    assert nights("tiny").code == 0


def test_the_page_of_a_ci_job_gets_every_summary(nights: Nights, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = [nights("tiny", COMPARE_CODE=code, GITHUB_STEP_SUMMARY=str(page)) for code in "01"]
    assert page.read_text() == done[0].summary + done[1].summary


@pytest.mark.parametrize(
    ("words", "env", "told"),
    [
        (["a/b"], {}, "'a/b' is no name"),
        (["quant=int8"], {}, "'quant=int8' is no name"),
        (["tiny"], {"NIGHTLY_KEEP": "many"}, "NIGHTLY_KEEP: 'many'"),
        (["tiny"], {"NIGHTLY_CACHE_GIB": "-1"}, "NIGHTLY_CACHE_GIB: '-1'"),
        (["tiny"], {"NIGHTLY_HOME": "/proc/nowhere"}, "cannot be used; move it with NIGHTLY_HOME"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(nights: Nights, words: list[str], env: dict[str, str], told: str) -> None:
    done = nights(*words, **env)
    assert done.code == 2
    assert told in done.err.splitlines()[-1]


def test_a_folder_with_blanks_is_a_folder(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "a home $with 'blanks'")
    assert [nights("tiny").code, nights("tiny", COMPARE_CODE="1").code] == [0, 1]
    assert len(nights.names()) == 2
