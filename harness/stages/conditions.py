"""The machine under a measurement: which processors it runs on, and what disturbed it. No root needed."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_PROC_STAT = Path("/proc/stat")
_CPUFREQ = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"


@dataclass(frozen=True, slots=True)
class CpuTicks:
    """Times of one processor since boot, in clock ticks, from ``/proc/stat``."""

    idle: int
    steal: int
    total: int


def pin(threads: int, watch_s: float = 0.05) -> list[int]:
    """Bind this process to the ``threads`` idlest processors it may use; return those it runs on, sorted.

    Where it is not allowed to, or wants all of them anyway, nothing changes.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if threads < len(allowed):
        before = ticks()
        time.sleep(watch_s)
        chosen = idlest(allowed, before, ticks(), threads)
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, chosen)
    return sorted(os.sched_getaffinity(0))


def idlest(allowed: list[int], before: dict[int, CpuTicks], after: dict[int, CpuTicks], count: int) -> list[int]:
    """Return the ``count`` processors that were idle most between two readings; of equals the last ones.

    The last ones, because interrupts tend to go to the first.
    """
    none = CpuTicks(0, 0, 0)

    def busy(cpu: int) -> int:
        first, second = before.get(cpu, none), after.get(cpu, none)
        return (second.total - first.total) - (second.idle - first.idle)

    return sorted(sorted(allowed, key=lambda cpu: (busy(cpu), -cpu))[:count])


def ticks() -> dict[int, CpuTicks]:
    """Return processor → times; empty where ``/proc/stat`` cannot be read."""
    with contextlib.suppress(OSError):
        return parse_stat(_PROC_STAT.read_text())
    return {}


def parse_stat(text: str) -> dict[int, CpuTicks]:
    """Return processor → times from the text of ``/proc/stat`` (proc(5)): idle and iowait, steal, all."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name[3:].isdigit():
            numbers = [int(one) for one in rest.split()] + [0] * 8
            found[int(name[3:])] = CpuTicks(numbers[3] + numbers[4], numbers[7], sum(numbers[:8]))
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment."""

    cpus: dict[int, CpuTicks]
    involuntary_switches: int
    load_average: float


def read(pid: int | None = None) -> Reading:
    """Read the counters now; switches are those of this process, or of the main thread of process ``pid``."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    switches = usage.ru_nivcsw if pid is None else _involuntary_switches(pid)
    return Reading(ticks(), switches, os.getloadavg()[0])


def _involuntary_switches(pid: int) -> int:
    """Return how often the main thread of a process was pushed aside; 0 where the process has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "nonvoluntary_ctxt_switches":
                return int(rest)
    return 0


def between(before: Reading, after: Reading, cpus: list[int]) -> dict[str, Any]:
    """Return what happened on ``cpus`` between two readings.

    ``steal_fraction``: share of time that the hypervisor gave to others; ``involuntary_switches``: times that
    this process was pushed aside; ``load_average``: of the last minute, before and after; ``governor``: None
    where the kernel shows none, as in most virtual machines.
    """
    shared = [cpu for cpu in cpus if cpu in before.cpus and cpu in after.cpus]
    total = sum(after.cpus[cpu].total - before.cpus[cpu].total for cpu in shared)
    stolen = sum(after.cpus[cpu].steal - before.cpus[cpu].steal for cpu in shared)
    return {
        "affinity": cpus,
        "steal_fraction": stolen / total if total else None,
        "involuntary_switches": after.involuntary_switches - before.involuntary_switches,
        "load_average": [before.load_average, after.load_average],
        "governor": governor(cpus[0]) if cpus else None,
    }


class WaitClock:
    """Time that the threads of this process stood in the queue for a processor, ns, all of them together.

    From ``/proc/self/task/*/schedstat``, which counts preemption to the nanosecond. Threads begun after the
    clock are not seen. A context manager: the files stay open, so that a reading takes microseconds.
    """

    def __init__(self) -> None:
        self._files: list[int] = []
        for task in sorted(Path("/proc/self/task").glob("*/schedstat")):
            with contextlib.suppress(OSError):
                self._files.append(os.open(task, os.O_RDONLY))

    @property
    def works(self) -> bool:
        """Whether this kernel keeps such counts."""
        return bool(self._files)

    def __call__(self) -> int:
        """Read the clock; a thread that has ended counts no more."""
        total = 0
        for file in self._files:
            with contextlib.suppress(OSError):
                total += int(os.pread(file, 96, 0).split()[1])
        return total

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._files:
            os.close(self._files.pop())


def governor(cpu: int) -> str | None:
    """Return the frequency governor of a processor, None where there is none."""
    with contextlib.suppress(OSError):
        return Path(_CPUFREQ.format(cpu)).read_text().strip()
    return None
