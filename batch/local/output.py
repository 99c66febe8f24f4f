"""Copying a job's output from its pipe to its file, as it comes, up to a limit."""

from __future__ import annotations

import os

_CHUNK_BYTES = 256 * 1024


class Output:
    """One stream: what the program writes into ``pipe`` appears in the file at ``path``."""

    def __init__(self, path: str | bytes, limit_bytes: int) -> None:
        """Create the file, private; nothing that is already there is followed or touched.

        Raises:
            OSError: It exists, is a link, or cannot be made.
        """
        creating = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | creating, 0o600)
        self.pipe, self.program_end = os.pipe()
        os.set_blocking(self.pipe, False)
        self.problem = ""
        self._limit_bytes = self._left = limit_bytes
        self._truncated = False
        self._last = b"\n"

    def copy(self) -> bool:
        """Copy what is in the pipe now, at most one chunk; False when nothing more can come."""
        try:
            chunk = os.read(self.pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self._keep(chunk)
        return True

    def copy_rest(self) -> None:
        """Copy what is left in the pipe, without waiting for more."""
        try:
            while chunk := os.read(self.pipe, _CHUNK_BYTES):
                self._keep(chunk)
        except BlockingIOError:  # somebody outside the job got hold of the other end
            pass

    def close(self) -> None:
        """Close both ends."""
        if self.problem:
            self._note(f"… output lost: {self.problem}")
        os.close(self.pipe)
        os.close(self._file)

    def _keep(self, chunk: bytes) -> None:
        if self.problem or self._truncated:
            return
        kept = chunk[: self._left]
        try:
            self._write(kept)
        except OSError as error:
            # What comes after a gap would read as if it followed: nothing is written any more.
            self.problem = os.strerror(error.errno or 0)
            return
        if len(chunk) > len(kept):
            self._truncated = True
            self._note(f"… output truncated at {self._limit_bytes} bytes")

    def _write(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            written = os.write(self._file, rest)
            self._left -= written
            self._last = bytes(rest[written - 1 : written])
            rest = rest[written:]

    def _note(self, line: str) -> None:
        start = b"" if self._last == b"\n" else b"\n"
        try:
            os.write(self._file, start + line.encode() + b"\n")
        except OSError:
            return
