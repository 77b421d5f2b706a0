"""Many runs over time: which cells stand out in the newest one, when levels changed, what creeps.

A night's latency is held against the median of the nights before it; sizes, shares, accuracy and status move by the
rules of ``compare``. Nothing here reads a clock: what is old is said by whoever knows the time.
"""

from harness.history.chronicle import Chronicle, chronicle

__all__ = ["Chronicle", "chronicle"]
