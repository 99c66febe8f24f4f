"""Password hashes: ours are scrypt, those of crypt(3) with ``$5$`` and ``$6$`` are understood."""

from __future__ import annotations

from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash
from zxcvbn import zxcvbn

from catalog.auth import sha_crypt
from ijp.errors import BadRequestError

MINIMUM_LENGTH = 8
MAXIMUM_LENGTH = 1000
_LEAST_SCORE = 2
"""More than a million guesses; at the speed that we allow that takes years."""
_JUDGED_LENGTH = 72


def hashed(password: str, *about: str) -> str:
    """The hash to store for a new password.

    Args:
        about: What a guesser knows of the user, such as the name.

    Raises:
        BadRequestError: It is too short, too long, or among the first that would be guessed.
    """
    if not MINIMUM_LENGTH <= len(password) <= MAXIMUM_LENGTH:
        raise BadRequestError(
            f"a password has {MINIMUM_LENGTH} to {MAXIMUM_LENGTH} characters, not {len(password)}"
        )
    judged = zxcvbn(password[:_JUDGED_LENGTH], user_inputs=list(about))
    if judged["score"] < _LEAST_SCORE:
        why = judged["feedback"]["warning"] or "Longer and less common words are better."
        raise BadRequestError(f"this password is too easy to guess: {why}")
    return generate_password_hash(password)


def is_hash(text: str) -> bool:
    """Whether this is a hash that can be checked against, and not a password in clear."""
    method, _, rest = text.partition("$")
    werkzeug = method.split(":")[0] in ("scrypt", "pbkdf2") and rest.count("$") == 1
    return werkzeug or sha_crypt.is_hash(text)


def matches(stored: str, password: str) -> bool:
    """Whether the password is the one of the hash."""
    if len(password) > MAXIMUM_LENGTH or "\0" in password or _has_surrogates(password):
        return False
    if stored.startswith("$"):
        return sha_crypt.matches(stored, password)
    return check_password_hash(stored, password)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in text)


@cache
def of_nobody() -> str:
    """A hash to check against where there is no user, so that this takes as long."""
    return generate_password_hash("nobody has this password")
