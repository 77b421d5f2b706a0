"""The processor's instruction sets, on both architectures, and what they mean for int8."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import processor


@pytest.mark.parametrize(
    ("text", "flags", "exact"),
    [
        (
            "flags\t\t: fpu smep avx2 avx512_vnni amx_int8 avx_vnni avx2\n",
            ("amx_int8", "avx2", "avx512_vnni", "avx_vnni"),
            True,
        ),
        ("flags\t\t: fpu avx avx2 fma\n", ("avx", "avx2", "fma"), False),
        ("CPU part\t: 0xd40\nFeatures\t: fp asimd asimddp sve2 aes\n", ("asimd", "asimddp", "sve2"), True),
        ("", (), False),
    ],
)
def test_flags_of_both_worlds(tmp_path: Path, text: str, flags: tuple[str, ...], exact: bool) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert processor.flags(file) == flags
    assert processor.adds_int8_without_saturation(flags) is exact


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert processor.flags(tmp_path / "none") == ()


@pytest.mark.parametrize("overflows", [True, False])
def test_exact_sums_are_asked_for_where_the_processor_overflows(
    overflows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(processor, "adds_int8_without_saturation", lambda: not overflows)
    settings = onnxruntime.SessionOptions()
    processor.ask_for_exact_sums(settings)
    key, value = processor.ORT_EXACT_INT8
    if overflows:
        assert settings.get_session_config_entry(key) == value
    else:
        with pytest.raises(RuntimeError, match=key):
            settings.get_session_config_entry(key)
