"""Hashes that ``openssl passwd -5`` and ``-6`` (OpenSSL 3.0) made are understood."""

from __future__ import annotations

import pytest

from catalog.auth import sha_crypt

SHA256 = "$5$abcdefgh$ruMep1ijHnJPZbETDNiumskxcX3kN4lzZd5VlsqE7eB"
SHA512 = (
    "$6$0123456789abcdef$T7LImBCK0XBkFvdqV3IhPId14Fbnikq4YPrXlaCO"
    "/yuK2/l1N2/lAdkwwysPVIJSkYC2zBkPCEJVzPbWv7N/s0"
)
LONG = "$6$rounds=2000000$" + SHA512[3:]


@pytest.mark.parametrize(("stored", "password"), [(SHA256, "correct horse"), (SHA512, "grüße")])
def test_the_password_of_a_hash_matches_and_no_other_does(stored, password):
    assert sha_crypt.is_hash(stored)
    assert sha_crypt.matches(stored, password)
    for other in ("", password + "x", password[:-1], password.upper()):
        assert not sha_crypt.matches(stored, other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "$1$abc$" + "a" * 22,
        SHA256[:-1],
        SHA512[:-1],
        SHA256.replace("$5", "$6"),
        LONG,
    ],
)
def test_what_is_no_hash_or_takes_too_long_is_none(text):
    assert not sha_crypt.is_hash(text)
    with pytest.raises(ValueError):
        sha_crypt.matches(text, "secret")


def test_a_number_of_rounds_is_part_of_the_hash():
    usual = SHA256[3:]
    assert sha_crypt.matches("$5$rounds=5000$" + usual, "correct horse")
    assert not sha_crypt.matches("$5$rounds=5001$" + usual, "correct horse")
