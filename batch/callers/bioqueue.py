"""Calls a cluster plug-in of BioQueue: ``bioqueue.py PLUGIN submit|status|cancel …``.

The plug-in is a module by name, or a file by its absolute path.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType

from batch.callers.answering import answered


def plugin(name: str) -> ModuleType:
    """The module.

    Raises:
        ImportError: It cannot be loaded.
    """
    if not name.startswith("/"):
        return importlib.import_module(name)
    # Its template lies beside it, and so may modules that it imports.
    sys.path.insert(0, os.path.dirname(name))
    spec = importlib.util.spec_from_file_location("bioqueue_plugin", name)
    if spec is None or spec.loader is None:
        raise ImportError(f"not a Python file: {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(name: str, *arguments: str) -> int:
    """Make one call; gives the exit code."""
    found = plugin(name)
    return answered(
        arguments,
        submit=lambda content: found.submit_job(**content),
        status=lambda native_id: found.query_job_status(native_id),
        cancel=lambda native_id: found.cancel_job(native_id),
    )


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Exception as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        sys.exit(1)
