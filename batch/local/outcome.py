"""How a job ended, as what watched it saw."""

from __future__ import annotations


class Outcome:
    """How a job ended; None is what nobody knows."""

    def __init__(
        self,
        reason: str,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
        cpu_seconds: float | None = None,
        peak_memory_bytes: int | None = None,
    ) -> None:
        self.reason = reason
        self.exit_code = exit_code
        self.signal = signal
        self.cpu_seconds = cpu_seconds
        self.peak_memory_bytes = peak_memory_bytes
