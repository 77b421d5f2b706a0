"""``harness.graphing``: verbs are found by their files."""

from __future__ import annotations

import pytest

from harness import cli, graphing


def test_every_verb_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == graphing.verbs()
    assert all(len(line.split()) > 3 for line in lines)


def test_an_unknown_verb_is_a_mistake_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "trasform", "x.pb"]) == 2
    assert "'trasform' cannot be done with a graph; " in capsys.readouterr().err
