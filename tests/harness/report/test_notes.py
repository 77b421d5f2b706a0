"""Notes: one number for each reason, whatever its figures; what they say of all whose note they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.notes import Notes


def told(*texts: str) -> tuple[list[int], list[str]]:
    notes = Notes()
    return [notes.number(text) for text in texts], notes.texts


def test_each_text_has_one_number() -> None:
    assert told("a", "b", "a ", "") == ([1, 2, 1, 3], ["a", "b", "no reason recorded"])


def test_long_notes_are_cut_in_the_middle() -> None:
    ((one,), (text,)) = told("what failed " + "x" * 1000 + " the cause")
    assert (one, len(text), text[:11], text[-9:]) == (1, 240, "what failed", "the cause")
    assert " … " in text


def test_figures_are_a_range_and_bounds_stay_apart() -> None:
    numbers, texts = told(
        "cosine 0.9599 is below 0.97", "cosine 0.9851 is below 0.99", "cosine 0.93 is below 0.97",
        "cpu: cosine 0.9 is below 0.97; xnnpack: clean", "sqnr_db -3.1 is below 10", "sqnr_db 8.75 is below 10",
        "top1_drop 0.04 is above 0.01 (McNemar p = 1e-05)", "top1_drop 0.02 is above 0.01 (McNemar p = 0.003)",
    )  # fmt: skip
    assert numbers == [1, 2, 1, 3, 4, 4, 5, 5]
    assert texts == [
        "cosine 0.93–0.9599 is below 0.97",
        "cosine 0.9851 is below 0.99",
        "cpu: cosine 0.9 is below 0.97; xnnpack: clean",
        "sqnr_db -3.1–8.75 is below 10",
        "top1_drop 0.02–0.04 is above 0.01 (McNemar p = 1e-05–0.003)",
    ]


def test_of_several_operators_the_first_is_named() -> None:
    error = "[ShapeInferenceError] (op_type:DequantizeLinear, node name: {}): x has unsupported type: tensor(int64)"
    numbers, texts = told(error.format("a/Bias"), error.format("b/" + "long" * 40 + "/Bias"), error.format("a/Bias"))
    assert numbers == [1, 1, 1]
    assert texts == [error.format("a/Bias and 1 more")]


def test_of_a_list_of_operators_the_first_of_each_is_named_short_and_how_many_there_are() -> None:
    text = "computes in float: float op 'v3_{0}/multiply/mul', float op 'v3_{0}/{1}' and {2} more"
    numbers, texts = told(text.format("small", "x" * 80, 33), text.format("large", "x" * 80, 37))
    assert numbers == [1, 1]
    assert texts[0].startswith("computes in float: float op 'v3_small/multiply/mul and 1 more', float op 'v3_small/xxx")
    assert texts[0].endswith("xxx and 1 more' and 33–37 more")
    assert len(texts[0]) < 170


def test_models_and_layers_that_tfmot_names_are_no_reason_of_their_own() -> None:
    refusal = "quantize: tfmot_refuses – tfmot's quantize_model takes no {}: RuntimeError: Layer {}:<class 'a'> is not"
    numbers, texts = told(refusal.format("densenet121", "bn1"), refusal.format("efficientnetv2-b0", "rescaling"))
    assert numbers == [1, 1]
    assert texts == [refusal.format("densenet121 and 1 more", "bn1 and 1 more")]


def test_other_words_are_other_reasons() -> None:
    assert told("killed at 20 GiB", "killed at 21 GiB", "audit: 3 float ops", "audit: 4 float ops")[0] == [1, 2, 3, 4]


@given(st.lists(st.text(), min_size=1))
def test_whatever_the_texts_each_number_has_its_note_and_none_is_empty(texts: list[str]) -> None:
    numbers, notes = told(*texts)
    assert set(numbers) == set(range(1, len(notes) + 1))
    assert all(note.strip() for note in notes)
