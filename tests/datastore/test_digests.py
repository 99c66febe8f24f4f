"""Contents that are digested and written while they arrive."""

from __future__ import annotations

import hashlib
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore import digests
from datastore.digests import BLOCK_BYTES, Checked, Digest

MANY = [bytes([number]) * (BLOCK_BYTES // 3) for number in range(20)]


@given(st.lists(st.binary(max_size=100)))
def test_a_digest_grows_with_each_piece(pieces):
    digest, whole = Digest(), b"".join(pieces)
    for piece in pieces:
        digest.add(piece)
    sha256 = hashlib.sha256(whole).hexdigest()
    assert digest.checked() == Checked(len(whole), zlib.crc32(whole), sha256)


@pytest.mark.parametrize("pieces", [[], [b""], [b"abc", b"de"], MANY])
def test_every_taker_gets_everything_in_order(pieces):
    taken: tuple[list[bytes], list[bytes]] = ([], [])
    digests.passed_on(iter(pieces), taken[0].append, taken[1].append)
    assert taken == (pieces, pieces)


def test_takers_of_much_work_side_by_side():
    """Each waits for the other to have begun."""
    both = threading.Barrier(2, timeout=20)

    def take(_: bytes) -> None:
        both.wait()

    digests.passed_on([bytes(BLOCK_BYTES)], take, take)


def test_what_came_before_a_source_breaks_is_taken():
    taken: list[bytes] = []

    def broken():
        yield from MANY
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        digests.passed_on(broken(), taken.append)
    assert taken == MANY


@pytest.mark.parametrize("pieces", [[b"abc"], MANY])
def test_the_error_of_a_taker_ends_it(pieces):
    def full(_: bytes) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        digests.passed_on(iter(pieces), lambda _: None, full)
