"""Workflows: nothing in them that a script could do, actions pinned by their commit, few rights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in content["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_and_say_their_version(file: Path) -> None:
    used = re.findall(r"uses:\s*(\S.*)", file.read_text())
    assert used
    for line in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*", line), line


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_may_only_read_and_puts_no_foreign_text_into_a_command(file: Path) -> None:
    content = yaml.safe_load(file.read_text())
    assert content["permissions"] == {"contents": "read"}
    for step in steps(content):
        assert "${{" not in step.get("run", ""), step
        assert "checkout" not in step.get("uses", "") or step["with"]["persist-credentials"] is False


def test_the_nightly_workflow_runs_the_script_on_x86_and_arm_and_keeps_what_comes_out() -> None:
    content = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())
    (job,) = content["jobs"].values()
    machines = {one["machine"]: one["runner"] for one in job["strategy"]["matrix"]["include"]}
    assert set(machines) == {"x86", "arm"}
    assert machines["arm"].endswith("-arm")
    assert job["strategy"]["fail-fast"] is False
    done = [step.get("run") or step["uses"].partition("@")[0] for step in steps(content)]
    assert done == [
        "actions/checkout", "actions/setup-python", "make setup", "actions/cache/restore",
        'scripts/nightly.sh "$EXPERIMENT"', "actions/cache/save", "actions/upload-artifact",
    ]  # fmt: skip
    restored, night, saved, uploaded = steps(content)[3:]
    assert restored["with"]["path"] == saved["with"]["path"] == "nightly"
    assert restored["with"]["key"] == saved["with"]["key"]
    assert restored["with"]["key"].startswith(restored["with"]["restore-keys"].strip())
    assert saved["if"] == uploaded["if"] == "${{ !cancelled() }}"
    assert night["timeout-minutes"] + 20 < job["timeout-minutes"]  # a job that ends keeps nothing
    assert len(machines) * float(night["env"]["NIGHTLY_CACHE_GIB"]) * 1.074 < 10  # GB, all that GitHub keeps
    script = (ROOT / "scripts" / "nightly.sh").read_text()
    assert all(f"# {name}" in script for name in night["env"] if name.startswith("NIGHTLY_"))
