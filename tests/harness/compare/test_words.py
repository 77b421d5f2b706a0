"""What stops a build is read first, however much is known already."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.compare.findings import GRADES, SECTIONS, Finding
from harness.compare.render.words import MANY, sectioned, shortened

FINDINGS = st.lists(
    st.builds(
        Finding,
        st.sampled_from(SECTIONS),
        st.sampled_from(GRADES),
        st.sampled_from(["a/none", "b/none"]),
        st.just("float_ops"),
        st.text("xy", min_size=1, max_size=3),
    ),
    max_size=60,
)


@given(FINDINGS)
def test_sections_with_a_regression_come_first_and_nothing_is_lost(findings: list[Finding]) -> None:
    found = sectioned(findings)
    bad = [any(one.grade == "regression" for one in lines) for _, lines in found]
    assert bad == sorted(bad, reverse=True)
    assert sorted(map(repr, (one for _, lines in found for one in lines))) == sorted(map(repr, findings))
    for worse in (True, False):
        order = [SECTIONS.index(section) for (section, _), one in zip(found, bad, strict=True) if one is worse]
        assert order == sorted(order)


@given(FINDINGS)
def test_only_known_issues_are_left_out_on_a_terminal(findings: list[Finding]) -> None:
    kept, more = shortened(findings)
    assert len(kept) + more == len(findings)
    known = [one for one in findings if one.grade == "known"]
    assert more == max(0, len(known) - MANY)
    assert [one for one in kept if one.grade != "known"] == [one for one in findings if one.grade != "known"]
    assert [one for one in kept if one.grade == "known"] == known[:MANY]
