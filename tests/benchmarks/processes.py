"""The processes of this machine and what they take of it: from `ps`; on Linux, times from the kernel, more exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("pid", "ppid", "pgid", "rss", "stat", "comm")


@dataclass(frozen=True)
class Process:
    """Two of the same number, group and name are the same process: numbers come round, but hardly with these."""

    pid: int
    parent: int = field(compare=False)
    group: int
    name: str
    # Resident, in bytes, as `ps -o rss` has it (Linux: VmRSS): what is shared with other processes is counted as well.
    memory: int = field(compare=False)

    @property
    def is_litestream(self) -> bool:
        return self.name.startswith("litestream")


def processes() -> set[Process]:
    """All that run; one that has ended and was not waited for does not."""
    columns = [argument for column in COLUMNS for argument in ("-o", f"{column}=")]
    lines = subprocess.run(["ps", "-A", *columns], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    rows = [line.split(maxsplit=len(COLUMNS) - 1) for line in lines]
    return {
        Process(int(pid), int(parent), int(group), Path(name).name, int(kibibytes) * 1024)
        for pid, parent, group, kibibytes, state, name in rows
        if not state.startswith("Z")
    }


def cpu_seconds(process: Process) -> float:
    """The CPU time, user and system, that a process has used since it started."""
    if sys.platform == "linux":
        # The clock that clock_getcpuclockid(3) names. It counts nanoseconds, where /proc/PID/stat has hundredths.
        return time.clock_gettime((~process.pid << 3) | 2)
    return _seconds(process, "time")


def start_time(process: Process) -> float:
    """When it started, as Unix time: to the hundredth of a second on Linux, to the second elsewhere."""
    if sys.platform == "linux":
        # Ticks since the boot are the 22nd field; the 2nd, the name, ends with the last parenthesis.
        ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[22 - 3])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - _seconds(process, "etime")


def _seconds(process: Process, column: str) -> float:
    """A duration of `ps`, which is [HOURS:]MINUTES:SECONDS."""
    command = ["ps", "-o", f"{column}=", "-p", str(process.pid)]
    seconds = 0.0
    for part in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def kill(all_of: Iterable[Process]) -> None:
    for process in all_of:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
