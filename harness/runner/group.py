"""A process and all it starts: one session, watched and ended as a whole."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess

import psutil

GONE_S = 5.0
"""How long a killed process may take to give its memory back before we go on without it."""


class Group:
    """The session that a ``Popen`` with ``start_new_session`` leads."""

    def __init__(self, leader: subprocess.Popen[bytes]) -> None:
        self._leader = leader
        self.pid = leader.pid
        self.pidfd = os.pidfd_open(leader.pid)

    def exit_code(self) -> int | None:
        """None while the leader runs; negative for a signal.

        Does not reap it: a zombie keeps the id of the group from being used again.
        """
        if self._leader.returncode is not None:
            return self._leader.returncode
        info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is None:
            return None
        return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

    def rss_bytes(self) -> int:
        """Resident memory of all of it, bytes; pages that two of them share count twice."""
        total = 0
        for process in self._members():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def terminate(self) -> None:
        """Ask all of it to end."""
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        """Block until the leader has ended, at most ``seconds``."""
        _wait(self.pidfd, seconds)

    def end(self) -> None:
        """Kill all that is left, see it go, then reap the leader; safe to call twice."""
        if self._leader.returncode is not None:
            return
        others = [process.pid for process in self._members() if process.pid != self.pid]
        self._signal(signal.SIGKILL)
        for pid in others:  # one by one: some may have left the process group
            _kill(pid)
        self._leader.wait()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.pidfd)

    def _signal(self, number: signal.Signals) -> None:
        if self._leader.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _members(self) -> list[psutil.Process]:
        members = []
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(pid) == self.pid:
                    members.append(psutil.Process(pid))
        return members


def _kill(pid: int) -> None:
    """Kill a process that is not our child and wait until it is gone, or a zombie."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            _wait(pidfd, GONE_S)
        finally:
            os.close(pidfd)


def _wait(pidfd: int, seconds: float) -> None:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll(seconds * 1000)
