"""What a person sees while a run goes on: a live line a stage on a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.records import Record
from harness.runner.live import Live, Row

if TYPE_CHECKING:
    from harness.plan import Batch, Node, Plan
    from harness.runner.pool import Done

GUESS_S = {"dataset": 3.0, "source": 20.0, "quantize": 1.0, "export": 8.0, "evaluate": 3.0, "latency": 3.0}
"""Seconds of a job until the first of its kind has been seen."""
KIND_ORDER = ("dataset", "source", "quantize", "export", "evaluate", "latency")
WORTH_A_LINE_S = 2.0
NEWS_EVERY_S = 10.0
"""Plain lines: how often a job that is still running is heard of."""


class Progress:
    """Counts work and tells about it; knows nothing of how it is done."""

    def __init__(self, slots: int = 2, stream: Any = None) -> None:
        self.stream = stream or sys.stderr
        self.live = bool(self.stream.isatty())
        self._live: Live | None = None
        self.slots = slots
        self.total: Counter[str] = Counter()
        self.over: Counter[str] = Counter()
        self.status: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.cached: Counter[str] = Counter()
        self.cells = 0
        self._now: dict[str, str] = {}
        self._unmeasured: Counter[str] = Counter()
        self._model = ""
        self._seconds: dict[str, list[float]] = {}
        self._began = time.monotonic()
        self._last_latency = self._began
        self._said = ""
        self._notes: dict[str, float] = {}

    def plan(self, plan: Plan) -> None:
        """Take in what there is to do."""
        for batch in plan.batches:
            self.total.update(node.kind for node in batch.nodes)
            rounds = int(batch.cells[0].options["measure"]["rounds"]) if batch.cells else 0
            self._unmeasured[batch.model] = rounds * sum(1 for c in batch.cells if c.refusal is None)
            self.total["latency"] += self._unmeasured[batch.model]
        self.cells = len(plan.cells)
        self._line(f"{len(plan.batches)} models, {self.cells} cells, {sum(self.total.values())} jobs")

    def more(self, kind: str, count: int) -> None:
        """There is more to do than planned."""
        self.total[kind] += count
        if kind == "latency":
            self._unmeasured[self._model] += count

    def begin(self, batch: Batch) -> None:
        """A model's turn."""
        self._model = batch.model

    def skipped(self, batch: Batch) -> None:
        """A whole model was done before."""
        self.status["already there"] += len(batch.cells)
        self.over.update(node.kind for node in batch.nodes)
        self.over["latency"] += int(batch.cells[0].options["measure"]["rounds"]) * sum(
            1 for c in batch.cells if c.refusal is None
        )

    def started(self, node: Node) -> None:
        """A job begins."""
        self._notes[node.id] = time.monotonic()
        self._now[node.kind] = node.id
        self._show()

    def tick(self, running: Sequence[tuple[Node, tuple[float, str] | None]]) -> None:
        """Look at what is running now."""
        self._now = {}
        for node, progress in running:
            text = f"{node.id} {progress[1] or f'{progress[0]:.0%}'}" if progress else node.id
            self._now[node.kind] = f"{self._now[node.kind]} + {text}" if node.kind in self._now else text
        self._show()
        for node, progress in running:
            if progress and not self.live and time.monotonic() - self._notes.get(node.id, self._began) > NEWS_EVERY_S:
                self._notes[node.id] = time.monotonic()
                self._line(f"{node.id}: {progress[1] or f'{progress[0]:.0%}'}")

    def finished(self, node: Node, done: Done, *, quiet: bool = False) -> None:
        """A job has ended, or was found done; ``quiet``: it never began, because of what it stands on."""
        self._last_latency = time.monotonic()  # conversions are no part of the first measurement
        self.over[node.kind] += 1
        if quiet:
            return
        if done.failure is not None:
            self.failed[node.kind] += 1
        if done.cached:
            self.cached[node.kind] += 1
        else:
            self._seconds.setdefault(node.kind, []).append(done.result.seconds)
        failure = done.failure
        if failure is not None:
            self._line(f"{node.id}: {failure.status} at {failure.stage}, {failure.reason}: {_short(failure.message)}")
        elif not done.cached and done.result.seconds >= WORTH_A_LINE_S and not self.live:
            self._line(f"{node.id}: {done.result.seconds:.1f} s")

    def measured(self, count: int, *, cached: bool = False) -> None:
        """Some cells have been measured once."""
        now = time.monotonic()
        if cached:
            self.cached["latency"] += count
        else:
            self._seconds.setdefault("latency", []).append(now - self._last_latency)
        self._last_latency = now
        self.over["latency"] += count
        self._unmeasured[self._model] -= count
        self._now = {"latency": "alone on the machine"}
        self._show()
        if not self.live and not cached and now - self._notes.setdefault("latency", self._began) > NEWS_EVERY_S:
            self._notes["latency"] = now
            self._line(f"latency: {self.over['latency']} of {self.total['latency']} measurements")

    def recorded(self, record: Record) -> None:
        """A cell is written down."""
        self._last_latency = time.monotonic()
        self.status[record.status] += 1
        if not self.live and sum(self.status.values()) == self.cells:
            self._line(self._counts())

    def batch_done(self, records: Sequence[Record]) -> None:
        """All cells of a model are written down; what could not be measured is over too."""
        self.over["latency"] += self._unmeasured.pop(records[0].cell.model, 0)
        states = Counter(record.status for record in records)
        shown = ", ".join(f"{n} {status}" for status, n in sorted(states.items()))
        self._line(f"{records[0].cell.model}: {shown}")

    def waiting(self, why: str) -> None:
        """Nothing moves, for a reason; said once."""
        if why != self._said:
            self._said = why
            self._line(f"waiting: {why}")

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._line(text)

    def close(self) -> None:
        """End the live line."""
        if self._live is not None:
            self._live.close()
            self._live = None

    def eta_s(self, *kinds: str) -> float:
        """Guess the seconds that are left, in all or for some kinds, from the jobs of each kind so far."""
        left = 0.0
        for kind in kinds or KIND_ORDER:
            seen = self._seconds.get(kind)
            each = sum(seen) / len(seen) if seen else GUESS_S[kind]
            side_by_side = 1 if kind == "latency" else self.slots
            left += max(0, self.total[kind] - self.over[kind]) * each / side_by_side
        return left

    def _counts(self) -> str:
        states = ", ".join(f"{n} {status}" for status, n in sorted(self.status.items())) or "no cell done"
        return f"{states}; {self.cached.total()} jobs from the cache; {_clock(time.monotonic() - self._began)}"

    def rows(self) -> list[Row]:
        """Return a line for each stage that has anything to do."""
        return [
            Row(
                stage=kind,
                done=self.over[kind],
                total=self.total[kind],
                failed=self.failed[kind],
                cached=self.cached[kind],
                eta=_clock(self.eta_s(kind)) if self.over[kind] < self.total[kind] else "",
                now=self._now.get(kind, ""),
            )
            for kind in KIND_ORDER
            if self.total[kind]
        ]

    def _show(self) -> None:
        if self.live:
            self._display().show(self.rows(), f"{self._counts()} · ETA {_clock(self.eta_s())}")

    def _display(self) -> Live:
        if self._live is None:
            self._live = Live(self.stream)
        return self._live

    def _line(self, text: str) -> None:
        if self.live:
            self._display().print(text)
            return
        done, total = sum(self.over.values()), sum(self.total.values())
        eta = f" ETA {_clock(self.eta_s())}" if total > done else ""
        self.stream.write(f"[{done}/{total}{eta}] {text}\n")
        self.stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(message: str) -> str:
    line = message.strip().splitlines()[0] if message.strip() else ""
    return line if len(line) <= 200 else line[:199] + "…"
