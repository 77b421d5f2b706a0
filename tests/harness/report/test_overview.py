"""A row a model: figures of the right task, and what is missing told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.records import Record
from harness.report import overview
from harness.report.view import newest, view


def rows(text: str) -> dict[str, dict[str, str]]:
    """Return model → title → field."""
    lines = [[field.strip() for field in line.strip("|").split("|")] for line in text.splitlines()]
    head, _, *rest = lines
    return {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in rest}


def on_photos(record: Record) -> Record:
    """Return the cell on images without labels."""
    values = {name: value for name, value in record.values.items() if name not in ("top1", "top5", "top1_drop")}
    return replace(record, run="photos", cell=replace(record.cell, task="photos"), values=values)


def test_times_are_those_of_native_size_and_accuracies_those_of_labels(runs: Any) -> None:
    digits = runs.write([
        runs.plain(quant="none", top1=0.982, latency_p50_ms=1.0),
        runs.plain(quant="int8", top1=0.971, latency_p50_ms=0.5),
    ])  # fmt: skip
    native = [
        runs.plain(
            quant="none",
            latency_p50_ms=12.34,
            latency_ci_low_ms=11.7,
            latency_ci_high_ms=12.5,
            cosine=1.0,
            size_bytes=9_000_000,
        ),
        runs.plain(quant="int8", latency_p50_ms=5.5, latency_ci_low_ms=None, cosine=0.98, size_bytes=2_500_000),
    ]
    photos = runs.write([on_photos(one) for one in native], "photos")
    found = overview.tables(newest(view([digits, photos]).judged))
    (row,) = rows(found[0]).values()
    assert row["XNNPACK float ms"] == "12.3 ±5 %"
    assert row["XNNPACK int8 ms"] == "5.50"
    assert row["TFLite int8 MB"] == "2.50"
    assert row["float top-1 %"] == "98.2"
    assert row["int8 top-1 %"] == "97.1"
    assert row["int8 cosine"] == "0.980"
    assert not any("qat" in title for title in row)  # nobody ran it
    assert "*cosine*: of the artifact's outputs with those of the float Keras model, on `photos`" in found[1].replace(
        "\n", " "
    )
    assert "on `digits`, 360 test images, of nets trained there" in found[1]


def test_rows_say_their_processor_where_there_are_several(runs: Any) -> None:
    one = runs.plain("mobilenet_v2", "none", latency_p50_ms=1.0)
    folders = [runs.write([one]), runs.write([replace(runs.plain("resnet50", "none"), run="other")], "other")]
    judged, machines = newest(view(folders).judged), {one.run: "AVX2, no VNNI", "other": "AVX-512, VNNI"}
    found = overview.tables(judged, machines)
    assert {name: row["times are of"] for name, row in rows(found[0]).items()} == {
        "mobilenet_v2": "AVX2, no VNNI",
        "resnet50": "AVX-512, VNNI",
    }
    assert "cannot be held against each other" in found[1]
    assert "times are of" not in "".join(overview.tables(judged, dict.fromkeys(machines, "AVX2, no VNNI")))
    assert "times are of" not in "".join(overview.tables(judged))


def test_of_several_tasks_with_labels_the_one_with_the_most_cells_is_shown(runs: Any) -> None:
    whole = [runs.plain(model, "none", top1=0.9, images=450) for model in ("mobilenet_v2", "resnet50")]
    other = replace(runs.plain("mobilenet_v2", "none", top1=0.1, images=50), cell=replace(whole[0].cell, task="a"))
    more = [replace(one, cell=replace(one.cell, threads=2)) for one in whole[:1]]
    found = overview.tables(newest(view([runs.write([*whole, other, *more])]).judged))
    assert {name: row["float top-1 %"] for name, row in rows(found[0]).items()} == {
        "mobilenet_v2": "90.0", "resnet50": "90.0",
    }  # fmt: skip
    assert "on `digits`, 450 test images" in found[-1]
    assert found[-1].startswith("One thread. ")
    found = overview.tables(newest(view([runs.write(more, "two")]).judged))
    assert found[-1].startswith("2 threads. ")


def test_what_was_not_run_and_what_could_not_be_measured_are_told_apart(runs: Any) -> None:
    broken = runs.stopped(runs.plain("resnet50", "int8"), "failed", "export", "x", "it broke")
    folder = runs.write([runs.plain("mobilenet_v2", "int8"), runs.plain("resnet50", "none"), broken])
    found = rows(overview.tables(newest(view([folder]).judged))[0])
    assert found["mobilenet_v2"]["XNNPACK float ms"] == "·"
    assert found["resnet50"]["XNNPACK int8 ms"] == "n/a"
    assert found["resnet50"]["XNNPACK float ms"] != "·"
    assert sorted(found) == ["mobilenet_v2", "resnet50"]


def test_a_report_without_figures_has_none(runs: Any) -> None:
    folder = runs.write([runs.stopped(runs.plain(quant="none"), "failed", "export", "x", "it broke")])
    assert overview.tables(newest(view([folder]).judged)) == []
