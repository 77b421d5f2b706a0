"""A Node process that answers: it gets a request, works on it, and sends one answer.

A message, in either direction, is a length (uint32, little endian), that many bytes of JSON, and raw bytes as many as
the JSON's field ``bytes`` says. Requests go to its stdin, answers come on a pipe of their own: what libraries print
is no answer, and goes where our own prints go.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from harness.errors import Crashed, StageFailed, Unsupported

MISSING = "Node is not installed here; install it with your system's packages: apt-get install nodejs npm"
_LONGEST = 2**24
"""Bytes of an answer's JSON; one that says more is none."""
_SAID_LINES = 40
_ENDS_S = 5.0
"""How long a process may take to end by itself once its stdin has."""
_NO_MEMORY = re.compile(r"out of memory|bad_alloc|allocation failed|Cannot enlarge memory|Cannot allocate memory", re.I)


class NodeError(RuntimeError):
    """What JavaScript threw, with its name."""


class Node:
    """One process, ended when this object goes; in its command ``{answers}`` stands for the answers' descriptor.

    Raises:
        Unsupported: ``node_missing``.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._answers, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                [word.replace("{answers}", str(theirs)) for word in command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs,),
            )
        except OSError as error:
            os.close(self._answers)
            raise Unsupported(f"{MISSING} ({command[0]}: {error.strerror})", "node_missing") from error
        finally:
            os.close(theirs)
        self.pid = self._process.pid
        _free_address_space(self.pid)
        self._said: collections.deque[str] = collections.deque(maxlen=_SAID_LINES)
        echo = threading.Thread(target=_echo, args=(_pipe(self._process.stdout), self._said), daemon=True)
        echo.start()
        self._echo = echo
        self._end = weakref.finalize(self, _end, self._process, self._answers, echo)

    def ask(self, do: str, payload: bytes | memoryview = b"", **fields: Any) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a request, as its JSON and its raw bytes.

        Raises:
            NodeError: what JavaScript threw.
            MemoryError: there was not enough.
            Crashed: it died of a signal, or of ``kill -9`` (``killed``).
            StageFailed: ``exit_<code>``: it ended; ``bad_answer``: it sent no message.
        """
        if not self._end.alive:
            raise self._death()
        text = json.dumps({"do": do, **fields, "bytes": len(payload)}).encode()
        try:
            self._send(struct.pack("<I", len(text)) + text)
            self._send(payload)
            size = struct.unpack("<I", self._take(4))[0]
            answer = _decoded(self._take(size)) if size <= _LONGEST else None
            if answer is None:
                raise StageFailed(f"Node answered '{do}' with no message", "bad_answer")
            raw = self._take(answer["bytes"])
        except (BrokenPipeError, EOFError):
            raise self._death() from None
        if "error" in answer:
            raise _thrown(answer["error"])
        return answer, raw

    def close(self) -> None:
        """End the process; safe to call twice."""
        self._end()

    def _send(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(_pipe(self._process.stdin).fileno(), view) :]

    def _take(self, count: int) -> bytes:
        """Return exactly ``count`` bytes of the answers. Raises ``EOFError`` at their end."""
        found = bytearray()
        while len(found) < count:
            chunk = os.read(self._answers, min(count - len(found), 2**20))
            if not chunk:
                raise EOFError
            found += chunk
        return bytes(found)

    def _death(self) -> Exception:
        """Return what is to be raised for a process that answers no more."""
        process = self._process
        self._end()
        code, said = process.returncode, [line for line in self._said if line.strip()]
        lack = next((line for line in said if _NO_MEMORY.search(line)), None)
        if lack is not None:
            return MemoryError(f"Node: {lack.strip()}")
        if code < 0:
            name = signal.Signals(-code).name
            return Crashed(f"Node died of {name}", "killed" if code == -signal.SIGKILL else f"signal_{-code}")
        return StageFailed(f"Node ended with exit code {code}: {_error_of(said)}", f"exit_{code}")


def _free_address_space(pid: int) -> None:
    """Let a child reserve address space: V8 takes 10 GB for every WebAssembly memory, and uses what it needs.

    What it really uses is resident memory, which the harness watches.
    """
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


def _echo(source: IO[bytes], said: collections.deque[str]) -> None:
    """Pass on what is printed, and remember its end."""
    for line in source:
        text = line.decode("utf-8", "replace").rstrip("\n")
        said.append(text)
        print(text, file=sys.stderr, flush=True)
    source.close()


def _end(process: subprocess.Popen[bytes], answers: int, echo: threading.Thread) -> None:
    """Close its stdin, which ends it; kill it when that does not."""
    with contextlib.suppress(OSError):
        _pipe(process.stdin).close()
    try:
        process.wait(_ENDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    os.close(answers)
    echo.join(_ENDS_S)


def _decoded(text: bytes) -> dict[str, Any] | None:
    """Return an answer's JSON, None when it is none."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict) and isinstance(found.get("bytes"), int | None):
            found["bytes"] = found.get("bytes") or 0
            return found if found["bytes"] >= 0 else None
    return None


def _thrown(error: dict[str, Any]) -> Exception:
    print(error.get("stack", ""), file=sys.stderr, flush=True)
    text = f"{error.get('name', 'Error')}: {error.get('message', '')}"
    return MemoryError(f"Node: {text}") if _NO_MEMORY.search(text) else NodeError(text)


def _error_of(said: Sequence[str]) -> str:
    """Return the line that says what went wrong, else the last one."""
    return next((line.strip() for line in said if "Error" in line), said[-1].strip() if said else "it said nothing")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def version(node: str) -> str | None:
    """Return the version of a Node program, None where it does not start."""
    try:
        found = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip().removeprefix("v") or None


def script(name: str) -> Path:
    """Return a script of this package's folder ``tfjs``."""
    return Path(__file__).parent / "tfjs" / name
