"""What the processor can do, as the kernel tells: it decides which kernels run, and what int8 numbers come to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_FLAGS = re.compile(
    r"sse4_[12]|avx|avx2|fma|f16c|avx512\w*|avx_vnni\w*|avx_ifma|avx10\w*|amx_\w+"  # x86
    r"|neon|asimd|asimdhp|asimddp|fphp|i8mm|bf16|sve\w*|sme2?"  # Arm
)
ORT_EXACT_INT8 = ("session.x64quantprecision", "1")
"""Entry of an ONNX Runtime session: where the processor overflows, weights become uint8, whose kernels do not.

Measured on a processor with AVX2 and no VNNI: 256 channels of ±127 against uint8 come out up to 11 steps wrong without
it; with it they are right and take 1.3 to 1.5 times as long. ONNX Runtime 1.32.0 changes weights with VNNI too, where
nothing overflows: DenseNet121 takes 1.7 times as long there. Hence ``ask_for_exact_sums``.
"""
_NO_SATURATION = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimd", "neon"})


def flags(file: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return the instruction sets that decide which kernels run, sorted; none where the kernel does not tell."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return ()
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return tuple(sorted({flag for flag in (found[1].split() if found else ()) if _FLAGS.fullmatch(flag)}))


def adds_int8_without_saturation(known: tuple[str, ...] | None = None) -> bool:
    """Return whether products of 8-bit numbers are added in 32 bits.

    x86 without VNNI adds two of them in 16 bits, which overflows for uint8 × int8 unless weights keep to 7 bits.
    """
    return bool(_NO_SATURATION & set(flags() if known is None else known))


def ask_for_exact_sums(settings: Any) -> None:
    """Have a session of ONNX Runtime add int8 products right where this processor, left alone, would not.

    Args:
        settings: An ``onnxruntime.SessionOptions``.
    """
    if not adds_int8_without_saturation():
        settings.add_session_config_entry(*ORT_EXACT_INT8)
