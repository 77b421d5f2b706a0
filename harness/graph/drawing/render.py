"""DOT to SVG and PNG, by Graphviz's program ``dot`` in a process of its own with a limit of time."""

from __future__ import annotations

import shutil
import subprocess

from harness.errors import UserError

FORMATS = ("svg", "png", "dot")
_HELP = "Graphviz has it: apt-get install graphviz, brew install graphviz; --format dot needs no program"
_DPI = 110


def render(source: str, format: str, timeout_s: float = 120.0) -> bytes:
    """Return a DOT text in one of ``FORMATS``.

    Raises:
        UserError: there is no program ``dot``, it takes too long, or it does not like what it reads.
    """
    if format == "dot":
        return source.encode()
    program = shutil.which("dot")
    if program is None:
        raise UserError(f"drawing {format} needs the program 'dot', which is not on the PATH; {_HELP}")
    words = [program, f"-T{format}", *([f"-Gdpi={_DPI}"] if format == "png" else [])]
    try:
        done = subprocess.run(words, input=source.encode(), capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"dot was not done after {timeout_s:.0f} s; a smaller picture: --depth blocks, "
                        "or --format dot for another program") from None  # fmt: skip
    except OSError as error:
        raise UserError(f"{program}: {error.strerror}; {_HELP}") from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UserError(f"dot gave no picture: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
