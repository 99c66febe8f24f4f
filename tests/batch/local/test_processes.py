"""Reading /proc as it is, odd program names included."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from batch.local.processes import Process, boot_id, descendants, process, processes, tasks_of


def test_name_with_blanks_and_parentheses_does_not_shift_the_fields():
    stat = b"7 (a) R (b 1) S 3 7 5 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 9911 4096 2 184"
    one = Process(7, stat)
    assert (one.pid, one.parent, one.session, one.start) == (7, 3, 5, 9911)
    assert one.cpu_seconds == pytest.approx(200 / os.sysconf("SC_CLK_TCK"))
    assert one.rss_bytes == 2 * os.sysconf("SC_PAGE_SIZE")


def test_own_process_is_read():
    own = process(os.getpid())
    assert own is not None
    assert (own.parent, own.session) == (os.getppid(), os.getsid(0))
    assert own.rss_bytes > 2**20


def test_descendants_are_found_through_generations():
    program = "import subprocess, sys; subprocess.run(['sh', '-c', 'echo up; cat; :'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.read(3)
        table = processes()
        below = descendants(table, [os.getpid()])
        # The program, its shell, and the shell's cat.
        ours = {one.pid for one in descendants(table, [child.pid])}
        assert 1 <= len(ours) <= 2
        assert ours | {child.pid} <= {one.pid for one in below}
        child.stdin.close()


def test_missing_process_is_none():
    assert process(2**22 + 1) is None


def test_tasks_of_a_user_count_threads():
    assert tasks_of(os.getuid()) >= len(os.listdir("/proc/self/task"))


def test_boot_id_is_the_kernels():
    assert len(boot_id()) == 36


def test_supervisor_imports_nothing_slow():
    """A user waits for it: what is imported decides how long."""
    program = (
        "import sys; sys.path.insert(0, '.'); import batch.local.supervisor; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    slow = {"re", "json", "typing", "subprocess", "dataclasses", "pathlib", "ijp", "logging"}
    assert slow & set(done.stdout.split()) == set()
