"""New passwords are stored as hashes that differ each time; short and huge ones are refused."""

from __future__ import annotations

import pytest

from catalog.auth import passwords
from ijp.errors import BadRequestError


def test_a_new_password_is_hashed_with_a_salt_of_its_own():
    first, second = passwords.hashed("long enough"), passwords.hashed("long enough")
    assert first != second
    assert "long enough" not in first
    assert passwords.is_hash(first)
    assert len(first) <= 255
    assert passwords.matches(first, "long enough")
    assert not passwords.matches(first, "long enougH")


@pytest.mark.parametrize("length", [0, 7, 1001])
def test_a_password_of_a_wrong_length_is_refused_without_being_told(length):
    with pytest.raises(BadRequestError, match=f"not {length}$") as refusal:
        passwords.hashed("p" * length)
    assert "pp" not in refusal.value.message


@pytest.mark.parametrize("password", ["p" * 5000, "long\0enough", "long\ud800enough"])
def test_absurd_passwords_match_nothing(password):
    assert not passwords.matches(passwords.of_nobody(), password)


@pytest.mark.parametrize("text", ["secret", "root", "", "$2b$12$abc", "scrypt:1:1:1", "plain$a$b"])
def test_what_is_no_hash_is_told_from_one(text):
    assert not passwords.is_hash(text)


@pytest.mark.parametrize(
    "password", ["password1", "aaaaaaaa", "qwertyuiop", "12345678", "Passw0rd!", "ana.schmidt1"]
)
def test_a_password_that_is_guessed_first_is_refused_with_the_reason(password):
    with pytest.raises(BadRequestError, match=r"too easy to guess: .+") as refusal:
        passwords.hashed(password, "ana.schmidt")
    assert password not in refusal.value.message


def test_a_huge_password_is_judged_in_reasonable_time():
    assert passwords.is_hash(passwords.hashed("long enough " * 83))
