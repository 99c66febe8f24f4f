"""How often one client may ask something, in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from ijp.errors import UnavailableError

_MOST_CLIENTS = 10_000
_MINUTE_SECONDS = 60.0


class Rate:
    """Lets each client do something so many times a minute, with as many at once."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, client: str, now: float | None = None) -> None:
        """Count a call.

        Args:
            now: Seconds of a clock that does not jump; that of the system if not given.

        Raises:
            UnavailableError: That is one too many; nothing was counted.
        """
        moment = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._left.pop(client, (float(self._a_minute), moment))
            grown = left + (moment - since) * self._a_minute / _MINUTE_SECONDS
            left = min(float(self._a_minute), grown)
            is_over = left < 1
            self._left[client] = (left if is_over else left - 1, moment)
            while len(self._left) > _MOST_CLIENTS:
                self._left.popitem(last=False)
        if is_over:
            raise UnavailableError(
                f"without a session this may be asked {self._a_minute} times a minute; "
                "log in, or ask again later"
            )
