"""What the kernel says of this machine and of processes (proc(5))."""

import os
from pathlib import Path

PROC = Path("/proc")
# io_uring's own workers run on behalf of the thread that submits: their time is its time.
RING_WORKERS = "iou-"


def cpus():
    return len(os.sched_getaffinity(0))


def name():
    """The CPU's name, how many of them there are, and the instruction sets that decide about speed."""
    text = (PROC / "cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    told = [flag for flag in ("avx2", "avx512_vnni", "amx_int8", "sha_ni", "asimddp", "i8mm") if flag in flags]
    model = fields.get("model name", fields.get("CPU part", "an unnamed CPU"))
    return f"{model}, {cpus()} CPUs, {' '.join(told) or 'no vector extensions of note'}"


def thread_seconds(pid, thread):
    """CPU time that the threads of this name have taken so far, with that of io_uring's workers."""
    total, found = 0, False
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            comm = (task / "comm").read_text().strip()
        except OSError:
            continue  # It has just ended.
        if comm == thread or comm.startswith(RING_WORKERS):
            found = found or comm == thread
            total += task_nanoseconds(task)
    if not found:
        raise RuntimeError(f"process {pid} has no thread {thread}")
    return total / 1e9


def task_nanoseconds(task):
    """`schedstat` counts nanoseconds where the kernel keeps it, `stat` ticks everywhere."""
    try:
        spent = int((task / "schedstat").read_text().split()[0])
        if spent > 0:
            return spent
    except (OSError, ValueError, IndexError):
        pass
    fields = (task / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    """Resident memory."""
    return status_mib(pid, "VmRSS")


def peak_memory_mib(pid):
    """Most resident memory that it has had."""
    return status_mib(pid, "VmHWM")


def status_mib(pid, field):
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has ended")


def tree_seconds(pid):
    """CPU time, user and system, of a process and all that it started, those that have ended among them."""
    total = sum(process_seconds(PROC / str(pid)))
    for task in (PROC / str(pid) / "task").iterdir():
        total += sum(tree_seconds(int(child)) for child in (task / "children").read_text().split())
    return total


def process_seconds(folder):
    """Its own seconds, and those of its children that have ended. Ended threads count, io_uring's workers too."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]


def descriptors(pid):
    return len(os.listdir(PROC / str(pid) / "fd"))
