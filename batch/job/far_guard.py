"""As ``guard``, where the system kills all descendants of a job's process: ``far_guard.py …``.

PSI/J's local executor does so. The watcher is therefore nobody's child, and holds one end of a
pipe whose other end only the job's process has:

    job's process (waits)  ┄  watcher (own session)  <-  runner  <-  the user's program
"""

import os
import signal
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import select

from batch.job import guard

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def main(arguments: "list[str]") -> int:
    """Run the runner that is beside this file; gives its exit code."""
    job = os.getpid()
    alive, held = os.pipe()
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork():
            os._exit(0)
        os.close(held)
        os.close(told)
        os.setsid()
        os.write(telling, f"{os.getpid()}\n".encode())
        code = 1
        try:
            code = guard.watch(job, arguments, lambda: bool(select.select([alive], [], [], 0)[0]))
            os.write(telling, f"{code}\n".encode())
        finally:
            os._exit(code)
    os.close(alive)
    os.close(telling)
    os.waitpid(child, 0)
    with open(told, encoding="ascii") as lines:
        watcher = int(lines.readline())
        for number in _STOPPING:
            signal.signal(number, lambda number, frame: os.kill(watcher, signal.SIGTERM))
        return int(lines.readline() or 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:5]))
