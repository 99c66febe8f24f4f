"""Telling the portal that a job began or ended, so that it looks at once and not at its next poll.

What is told is signed with the job's own token, which is not sent. Nobody relies on it: a report
that does not arrive costs nothing but the time until the next poll. Standard library only; what
takes long to load is loaded beside the job's program.
"""

import json
import os
import stat
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STARTED = "started"
ENDED = "ended"
HEADER = "IJP-Signature"
_TIMEOUT_SECONDS = 2.0
_LIMIT_BYTES = 64 * 1024


def signature(key: str, public_id: str, kind: str, at: int) -> str:
    """What proves that a report is the job's own.

    Args:
        key: The SHA-256 of the job's token, in hexadecimal digits, which the portal has too.
        at: When it was made, in milliseconds since 1970.
    """
    import hmac

    return hmac.new(key.encode(), f"{public_id} {kind} {at}".encode(), "sha256").hexdigest()


class Reporter:
    """Reports of one job."""

    def __init__(self, job_file: str) -> None:
        """Read the portal's address and the job's token, before its program could change them.

        A file that is missing or wrong makes reports that are not sent.
        """
        self._known: Mapping[str, Any] = {}
        if job_file:
            try:
                self._known = _read(job_file)
            except (OSError, ValueError):
                return

    def tell(self, kind: str, wait_seconds: float = 0) -> None:
        """Tell it beside what else is to be done; waits so long at most."""
        if not self._known:
            return
        thread = threading.Thread(target=self.send, args=(kind,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the account has as many threads as it may have
            return
        if wait_seconds:
            thread.join(wait_seconds)

    def send(self, kind: str) -> bool:
        """Tell it; gives whether the portal took it."""
        import contextlib
        import hashlib
        from http.client import HTTPException
        from urllib.parse import quote, urlsplit

        try:
            public_id = str(self._known["publicId"])
            key = hashlib.sha256(str(self._known["token"]).encode()).hexdigest()
            at = int(time.time() * 1000)
            body = json.dumps({"event": kind, "at": at}).encode()
            signed = signature(key, public_id, kind, at)
            headers = {"Content-Type": "application/json", HEADER: signed}
            parts = urlsplit(str(self._known["url"]).rstrip("/"))
            path = f"{parts.path}/api/v1/jobs/{quote(public_id, safe='')}/events"
            with contextlib.closing(self._connection(parts.scheme, parts.netloc)) as connection:
                connection.request("POST", path, body, headers)
                return bool(connection.getresponse().status == 202)
        except (OSError, HTTPException, ValueError, KeyError):
            return False

    def _connection(self, scheme: str, place: str) -> "Any":
        from http.client import HTTPConnection, HTTPSConnection

        if scheme != "https":
            return HTTPConnection(place, timeout=_TIMEOUT_SECONDS)
        import ssl

        context = ssl.create_default_context(cafile=self._known.get("caBundle"))
        return HTTPSConnection(place, timeout=_TIMEOUT_SECONDS, context=context)


def _read(path: str) -> "Mapping[str, Any]":
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"no ordinary file: {path}")
        found = json.loads(file.read(_LIMIT_BYTES))
    if not isinstance(found, dict):
        raise ValueError(f"not what the portal writes: {path}")
    return found
