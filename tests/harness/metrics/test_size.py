from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.metrics import size


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=4096), st.integers(1, 700))
def test_gzip_bytes_is_what_gzip_gives(tmp_path: Path, content: bytes, repeats: int) -> None:
    (tmp_path / "model").write_bytes(content * repeats)
    measured = size.measure(tmp_path / "model")
    assert measured["size_bytes"] == len(content) * repeats
    assert measured["gzip_bytes"] == len(gzip.compress(content * repeats, 6, mtime=0))


def test_a_folder_is_the_sum_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"y" * 500)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    both = size.measure(tmp_path)
    assert both["size_bytes"] == 1500
    one, other = size.measure(tmp_path / "a"), size.measure(tmp_path / "sub" / "b")
    assert both["gzip_bytes"] == one["gzip_bytes"] + other["gzip_bytes"]
    assert set(both) == set(size.UNITS)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        size.measure(tmp_path / "none")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    import tracemalloc

    with (tmp_path / "big").open("wb") as file:
        file.truncate(32 << 20)
    tracemalloc.start()
    size.measure(tmp_path / "big")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
