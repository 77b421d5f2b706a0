"""A comparison as JUnit XML: what CI servers show as tests, one for each cell and section."""

from __future__ import annotations

import re
from collections import defaultdict
from xml.etree import ElementTree as ET

from harness.compare.comparison import Comparison
from harness.compare.findings import SECTIONS, Finding
from harness.compare.render.words import headline, sides
from harness.report.shown import printable

_ILLEGAL = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def text(comparison: Comparison) -> str:
    """Return the document. A regression is a failure; a latency that was not compared is a skipped test."""
    suite = ET.Element("testsuite", name="harness compare")
    found: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in comparison.findings:
        found[one.cell, one.section].append(one)
    timed = {step.cell for step in comparison.steps}
    failures = skipped = tests = 0
    cells = [pair.cell for pair in comparison.pairs]
    places = [(cell, section) for cell in cells for section in SECTIONS]
    together = [place for place in found if place[0] not in set(cells)]
    for cell, section in [*places, *together]:
        here = found[cell, section]
        case = ET.SubElement(suite, "testcase", classname=f"harness.compare.{section}", name=legal(cell))
        failures += _failure(case, here)
        tests += 1
        if section == "latency" and cell not in timed:
            ET.SubElement(case, "skipped", message="latency was not compared")
            skipped += 1
        _rest(case, here)
    for name, count in (("tests", tests), ("failures", failures), ("skipped", skipped), ("errors", 0)):
        suite.set(name, str(count))
    told = ET.SubElement(suite, "system-out")
    told.text = legal("\n".join([sides(comparison), headline(comparison), *comparison.remarks]))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _failure(case: ET.Element, here: list[Finding]) -> int:
    bad = [one for one in here if one.grade == "regression"]
    if bad:
        failed = ET.SubElement(case, "failure", type=bad[0].kind, message=legal(bad[0].text))
        failed.text = legal("\n".join(one.text for one in bad))
    return bool(bad)


def _rest(case: ET.Element, here: list[Finding]) -> None:
    rest = [f"{one.grade}: {one.text}" for one in here if one.grade != "regression"]
    if rest:
        ET.SubElement(case, "system-out").text = legal("\n".join(rest))


def legal(content: str) -> str:
    """Return ``content`` without what XML cannot hold."""
    return _ILLEGAL.sub("", printable(content))
