"""The password hashes of crypt(3) that begin with ``$5$`` (SHA-256) and ``$6$`` (SHA-512).

After the published specification of the method; Python's own module for it is gone since 3.13.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

MOST_ROUNDS = 1_000_000

_HASH = re.compile(
    r"\$(?P<kind>[56])\$(?:rounds=(?P<rounds>[0-9]{4,7})\$)?(?P<salt>[./0-9A-Za-z]{1,16})"
    r"\$(?P<digest>[./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})"
)
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_USUAL_ROUNDS = 5000

_Hash = Callable[[bytes], Any]


def is_hash(text: str) -> bool:
    """Whether this is such a hash, of a number of rounds that can be waited for."""
    found = _HASH.fullmatch(text)
    if found is None or (found["kind"] == "5") != (len(found["digest"]) == 43):
        return False
    return 1000 <= int(found["rounds"] or _USUAL_ROUNDS) <= MOST_ROUNDS


def matches(stored: str, password: str) -> bool:
    """Whether a password is the one of a hash.

    Raises:
        ValueError: This is no such hash.
    """
    found = _HASH.fullmatch(stored)
    if found is None or not is_hash(stored):
        raise ValueError("not a hash of crypt(3) with SHA-256 or SHA-512")
    new: _Hash = hashlib.sha256 if found["kind"] == "5" else hashlib.sha512
    rounds = int(found["rounds"] or _USUAL_ROUNDS)
    digest = _digest(new, password.encode("utf-8", "surrogatepass"), found["salt"].encode(), rounds)
    return hmac.compare_digest(_encoded(digest), found["digest"])


def _digest(new: _Hash, key: bytes, salt: bytes, rounds: int) -> bytes:
    """The bytes that the hash encodes."""
    first = _first(new, key, salt)
    p = _stretched(new(key * len(key)).digest(), len(key))
    s = _stretched(new(salt * (16 + first[0])).digest(), len(salt))
    digest = first
    for number in range(rounds):
        odd = number % 2 == 1
        parts = [p if odd else digest]
        if number % 3:
            parts.append(s)
        if number % 7:
            parts.append(p)
        parts.append(digest if odd else p)
        digest = new(b"".join(parts)).digest()
    return digest


def _first(new: _Hash, key: bytes, salt: bytes) -> bytes:
    other = new(key + salt + key).digest()
    text = key + salt + _stretched(other, len(key))
    length = len(key)
    while length:
        text += other if length & 1 else key
        length >>= 1
    digest: bytes = new(text).digest()
    return digest


def _stretched(digest: bytes, length: int) -> bytes:
    """The digest, repeated up to a length."""
    return (digest * (length // len(digest) + 1))[:length]


def _encoded(digest: bytes) -> str:
    """The digest as the hash has it: 24 bits at a time, from bytes that lie a third apart."""
    third = len(digest) // 3
    step = 1 if len(digest) == 64 else 2
    order, at = [], (0, third, 2 * third)
    for _ in range(third):
        order.append(at)
        at = (at[1], at[2], at[0]) if step == 1 else (at[2], at[0], at[1])
        at = (at[0] + 1, at[1] + 1, at[2] + 1)
    text = "".join(
        _characters(digest[high] << 16 | digest[middle] << 8 | digest[low], 4)
        for high, middle, low in order
    )
    if len(digest) == 64:
        return text + _characters(digest[63], 2)
    return text + _characters(digest[31] << 8 | digest[30], 3)


def _characters(bits: int, count: int) -> str:
    return "".join(_ALPHABET[bits >> 6 * place & 63] for place in range(count))
