"""DOT and SVG: whatever stands in a file stays text."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.graph.drawing import dot, draw
from harness.graph.drawing.render import render
from harness.graph.model import Graph
from tests.harness.graph.building import Building
from tests.harness.graph.drawing.test_draw import network

NASTY = [
    "with space", 'a "quoted" one', "<script>alert(1)</script>", "line\nfeed", "back\\slash\\", "\\N \\G \\E \\l",
    "a&amp;b &#60; &", "]]>", "--><!--", "<b>", "</TD></TR>", "{a|<b>c}", "\x00\x1b[31m", "\x7f\x85", "\ud800", "￾￿",
    "日本語", "🙂", "", " ", "\t", ";", "%s {}", "'", "\\", '"', "a" * 5000, "subgraph", "->", "//", "/*", "#x",
    "\u202e",
]  # fmt: skip
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def named(names: list[str]) -> Graph:
    """A chain of operators that carry these names everywhere: tensors, nodes, operators, ports, dtypes."""
    building = Building()
    out = building.input(names[0])
    for name in names:
        out = building.node(f"OP{name}", out, name=name, dtype=name, scales=(0.5,), zero_points=(1,))
    graph = building.graph(**dict.fromkeys(names, out))
    return replace(graph, nodes=tuple(replace(node, name=name) for node, name in zip(graph.nodes, names, strict=True)))


def texts(svg: bytes) -> str:
    return "\n".join(text for text in ET.fromstring(svg).itertext())


@needs_dot
def test_nasty_names_are_text_in_the_svg() -> None:
    svg = render(dot.source(draw.picture(named(NASTY), '<script>&\\N"', depth="steps")), "svg")
    root = ET.fromstring(svg)
    assert not [one.tag for one in root.iter() if one.tag.rpartition("}")[2] in ("script", "b", "TD")]
    shown = texts(svg).replace("\xa0", " ")
    for name in ('a "quoted" one', "<script>alert(1)</script>", "line↵feed", "back∖slash∖", "∖N ∖G ∖E ∖l",
                 "a&amp;b &#60; &", "]]>", "--><!--", "</TD></TR>", "{a|<b>c}", "日本語", "🙂"):  # fmt: skip
        assert f"OP{name}" in shown
    assert '<script>&∖N"' in shown
    tips = [value for one in root.iter() for key, value in one.attrib.items() if key.endswith("title")]
    assert "OPline\nfeed: line\nfeed" in tips
    assert "OP∖N ∖G ∖E ∖l: ∖N ∖G ∖E ∖l" in tips
    assert "script" not in re.sub(r"&lt;/?script&gt;", "", svg.decode())


@needs_dot
@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=3, max_size=12, unique=True))
def test_any_name_gives_sound_xml(names: list[str]) -> None:
    svg = render(dot.source(draw.picture(named(names), names[0], depth="operators")), "svg")
    ET.fromstring(svg)


@given(st.text())
def test_html_is_xml_that_says_the_same(text: str) -> None:
    shown = ET.fromstring(f"<x>{dot.html(text)}</x>").text
    assert shown is not None
    assert shown == (dot.plain(text).replace("\n", "↵") if dot.plain(text).strip() else "\xa0")


@given(st.text())
def test_a_quoted_string_ends_where_it_should(text: str) -> None:
    quoted = dot.quoted(text)
    assert re.fullmatch(r'"(?:[^"\\\n]|\\n)*"', quoted)


def test_ids_are_never_out_of_the_file() -> None:
    source = dot.source(draw.picture(named(NASTY), "x", depth="steps"))
    statements = [line for line in source.splitlines() if " -> " in line.partition("[")[0]]
    assert statements
    assert all(re.match(r"  \w+ -> \w+ \[", line) for line in statements)


def test_colours_and_legend_are_those_of_the_dtypes_in_it() -> None:
    source = dot.source(draw.pictures((network(), "float"), (network("int8", quantized=True), "int8")))
    legend = next(line for line in source.splitlines() if "zero point: value" in line)
    assert re.findall(r'BORDER="1"[^>]*>(\w+)<', legend) == ["float32", "int8"]
    assert "dashed red" in legend
    plain = dot.source(draw.picture(network(), "float"))
    assert "dashed red" not in plain
    assert "zero point: value" not in plain


def test_the_same_graph_gives_the_same_text() -> None:
    assert dot.source(draw.picture(network(), "x")) == dot.source(draw.picture(network(), "x"))


@needs_dot
def test_png_is_a_png_and_side_by_side_is_laid_out() -> None:
    source = dot.source(draw.pictures((network(), "float"), (network("int8", quantized=True), "int8")))
    assert render(source, "png")[:8] == b"\x89PNG\r\n\x1a\n"
    heights = {}
    for group in ET.fromstring(render(source, "svg")).iter("{http://www.w3.org/2000/svg}g"):
        if group.get("class") == "node":
            title, first = group[0].text, next(group.iter("{http://www.w3.org/2000/svg}text"))
            heights[title] = first.get("y")
    assert heights["ai0"] == heights["bi0"]
    assert heights["ar0"] == heights["br1"] != heights["bi0"]


def fake(folder: Path, script: str) -> None:
    (folder / "dot").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "dot").chmod(0o755)


def test_without_dot_svg_says_what_helps_and_dot_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"needs the program 'dot'.*apt-get install graphviz.*--format dot"):
        render("digraph {}", "svg")
    assert render("digraph {}", "dot") == b"digraph {}"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exec /bin/sleep 30", "not done after 0 s"),
        ("echo 'syntax error in line 1' >&2; exit 1", "dot gave no picture: syntax error in line 1"),
        ("exit 3", "dot gave no picture: exit code 3"),
        ("exit 0", "dot gave no picture"),
    ],
)
def test_a_dot_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str) -> None:
    fake(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=said):
        render("digraph {}", "svg", timeout_s=0.3)
