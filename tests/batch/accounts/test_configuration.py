"""What the helper believes: a file that nobody but root could have written."""

from __future__ import annotations

import os

import pytest

from batch.accounts import configuration
from batch.accounts.configuration import ConfigurationError, RefusedError

GOOD = 'homes = "/var/lib"\n[families.default]\naccounts = ["ijp1", "ijp2"]\n'


@pytest.fixture
def file(root_folder):
    path = root_folder / "accounts.toml"
    path.write_text(GOOD)
    return path


def test_what_root_wrote_is_read(file):
    found = configuration.read(str(file))
    assert found.pool("default") == ("ijp1", "ijp2")
    assert found.least_uid == 1000
    assert found.namespaces


def test_a_file_that_is_absent_is_named(root_folder):
    with pytest.raises(ConfigurationError, match=r"No such file.*accounts\.toml"):
        configuration.read(str(root_folder / "accounts.toml"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: os.chown(file, 61_050, 0), "belongs to user 61050, not to root"),
        (lambda file: file.chmod(0o664), "others than root can write"),
        (lambda file: file.parent.chmod(0o777), "others than root can write"),
        (lambda file: os.chown(file.parent, 61_050, 0), "belongs to user 61050"),
    ],
)
def test_what_others_could_have_written_is_refused(file, change, told):
    change(file)
    with pytest.raises(ConfigurationError, match=told):
        configuration.read(str(file))


def test_a_link_or_pipe_is_refused(file):
    file.rename(file.with_name("real"))
    file.symlink_to("real")
    with pytest.raises(ConfigurationError, match="symbolic links"):
        configuration.read(str(file))
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(ConfigurationError, match="is not what it has to be"):
        configuration.read(str(file))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "homes is missing; families is missing"),
        ("homes = 1\nfamilies = {}", "homes: must be an absolute path"),
        (GOOD.replace("/var/lib", "/var/../etc"), "must be a plain path"),
        (GOOD.replace('"ijp2"', '"ijp1"'), "'ijp1' is named twice"),
        (GOOD.replace('"ijp2"', '"../etc"'), "not the name of an account: '../etc'"),
        (GOOD.replace('"ijp2"', '"root\\n"'), "not the name of an account"),
        ("least_uid = 0\n" + GOOD, "least_uid: must be a number from 1000 on; it is 0"),
        ("least_uid = true\n" + GOOD, "least_uid: must be a number"),
        ("shell = 'sh'\n" + GOOD, "unknown setting 'shell'"),
        ("homes =", "Invalid value"),
        (GOOD.replace("/var/lib", "/tmp/homes"), "/tmp"),
    ],
)
def test_what_is_wrong_is_named(file, text, told):
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"accounts\.toml: ") as error:
        configuration.read(str(file))
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["root", "daemon", "nobody", "nosuchaccount"])
def test_accounts_of_the_system_are_refused_even_in_a_pool(file, name):
    file.write_text(GOOD.replace('"ijp2"', f'"{name}"'))
    with pytest.raises(RefusedError, match=name):
        configuration.read(str(file)).account(name)


def test_an_account_in_no_pool_is_refused(file):
    with pytest.raises(RefusedError, match="no account of a pool: 'daemon'"):
        configuration.read(str(file)).account("daemon")
