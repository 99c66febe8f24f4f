"""What the commands say when they do not do it."""

from __future__ import annotations


class Refusal(Exception):  # the server's word for it
    """Ends a command.

    Attributes:
        code: The exit code; of PBS its error number modulo 256.
        text: What goes to standard error; it is "" for the surprisingly silent ones.
    """

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Answered(Refusal):
    """Some of what was asked for, and an error all the same."""

    def __init__(self, answer: str, code: int, text: str) -> None:
        super().__init__(code, text)
        self.answer = answer


class Hangs(Exception):  # no error either: the client just waits
    """The thing is done, or will never be; the server does not answer the client."""
