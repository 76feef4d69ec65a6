"""What else took the cores' time while something was measured."""

import os
import resource
import time
from pathlib import Path


def busy_seconds() -> float:
    """Of all cores of the machine since it started, with what its host took from it."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


class Others:
    """From its making on."""

    def __init__(self) -> None:
        self.start = time.monotonic(), busy_seconds(), own_seconds()

    def share(self) -> float:
        """Of the machine's processor time, what neither this process nor its ended children took: 0...1."""
        elapsed, busy, own = (
            now - then for now, then in zip((time.monotonic(), busy_seconds(), own_seconds()), self.start, strict=True)
        )
        return max(0.0, busy - own) / (elapsed * (os.cpu_count() or 1))
