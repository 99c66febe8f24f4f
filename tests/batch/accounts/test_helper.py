"""The part that is root: whatever it is given, it does what its verbs say or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.accounts import helper
from batch.accounts.helper import BUSY, DONE, NOT_SET_UP, REFUSED, WRONG_USE, WrongUseError, parse
from tests.batch.accounts.node import HELPER, PORTAL

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            *("run", "prologue", "epilogue", "tidy", "tidy-except", "list"),
            *("root", "ijp", "default", "17", "17.head", "n1acct1", "-x", "--", "../../etc"),
            *("$(id)", "a;b", "a\nb", "a\0b", "*", "", " ", "0", "-1", "%s", "\udc80"),
        ]
    ),
)
ARGUMENTS = st.lists(TEXTS, max_size=5)
WORDS = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=30)


@given(arguments=ARGUMENTS)
@settings(max_examples=150)
def test_what_is_accepted_is_a_verb_with_plain_words(arguments):
    try:
        verb, *rest = parse(arguments)
    except WrongUseError:
        return
    assert verb in {"run", "prologue", "epilogue", "tidy", "tidy-except", "list"}
    for text in rest:
        assert text.isascii()
        assert not set(text) & set("/\n\0$;|&<>`'\"\\*?(){}~!#%")
        assert text[:1] not in ("-", ".", "")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["clean"],
        ["list", "all"],
        ["prologue", "17"],
        ["prologue", "17", "root", "x"],
        ["prologue", "17", "Root"],
        ["run", "default", "../17"],
        ["run", "default", "17\n"],
        ["epilogue", "-17", "n1acct1"],
        ["epilogue", "x" * 129, "n1acct1"],
    ],
)
def test_anything_else_is_refused_before_anything_is_done(arguments, capsys):
    assert helper.answer(arguments, "/nonexistent/accounts.toml") == WRONG_USE
    assert capsys.readouterr().err.startswith("ijp-account-helper: ")


def test_without_a_configuration_nothing_is_done(capsys, monkeypatch):
    # This checkout may be where others could write to it.
    monkeypatch.setattr(helper.trust, "check_code", lambda top: None)
    assert helper.answer(["list"], "/nonexistent/accounts.toml") == NOT_SET_UP
    assert "/nonexistent/accounts.toml" in capsys.readouterr().err


@pytest.fixture(scope="module")
def node(make_node):
    return make_node(accounts=2)


@pytest.fixture
def unchanged(node):
    """Fails the test if anything of root's, or of the accounts that are in no pool, changes."""
    program = """
import hashlib, json, os, pwd
def told(path):
    found = os.stat(path)
    content = open(path, "rb").read() if not os.path.isdir(path) else b""
    return [found.st_mode, found.st_uid, found.st_gid, hashlib.sha256(content).hexdigest()]
paths = ["/etc/shadow", "/etc/passwd", "/etc/ijp/accounts.toml", "/root", "/etc", "/home",
         "/etc/sudoers", "/usr/local/sbin/ijp-account-helper", "/var/lib/ijp-homes"]
print(json.dumps({path: told(path) for path in paths}), sorted(os.listdir("/home")))
"""
    before = node.python(program)
    yield
    assert node.python(program) == before


@pytest.mark.slow
def test_no_arguments_input_or_environment_get_more_out_of_it(node, unchanged):
    """Run by the portal's account through sudo, which is all that account may do as root."""
    node.write("/srv/shared/trap", "touch /srv/shared/trapped\n", 0o755)
    hostile = {"BASH_ENV": "/srv/shared/trap", "ENV": "/srv/shared/trap"}
    hostile |= {"LD_PRELOAD": "/srv/shared/trap.so", "PYTHONPATH": "/srv/shared"}
    hostile |= {"PYTHONSTARTUP": "/srv/shared/trap", "PYTHONINSPECT": "1", "IFS": "/"}
    node.write("/srv/shared/json.py", "open('/srv/shared/trapped', 'w')\n")

    @given(
        arguments=ARGUMENTS.map(lambda texts: [text for text in texts if "\0" not in text]),
        stdin=st.binary(max_size=200),
        environment=st.dictionaries(
            st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12), WORDS, max_size=3
        ),
    )
    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def run(arguments, stdin, environment):
        texts = [text.encode("utf-8", "surrogateescape").decode("latin-1") for text in arguments]
        done = node.run(
            *("/usr/bin/sudo", "-n", HELPER, *texts),
            user=PORTAL,
            stdin=stdin,
            environment={**environment, **hostile},
        )
        # 1 is sudo's own, for arguments that it does not pass on.
        assert done.returncode in {DONE, WRONG_USE, BUSY, REFUSED, NOT_SET_UP, 1}, done.stderr
        assert "Traceback" not in done.stderr

    run()
    assert not (node.shared / "trapped").exists()
    node.do(HELPER, "tidy-except")  # some example may have been a prologue that is acceptable
    assert set(node.left().values()) == {"free"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["root", "daemon", PORTAL, "nosuchaccount"])
@pytest.mark.parametrize("verb", ["prologue", "epilogue"])
def test_accounts_in_no_pool_are_not_touched(node, verb, name, unchanged):
    done = node.helper(verb, "17", name)
    assert done.returncode == REFUSED
    assert f"no account of a pool: '{name}'" in done.stderr


@pytest.mark.slow
def test_others_than_root_can_do_nothing_with_it(node):
    done = node.run(HELPER, "list", user=PORTAL)
    assert done.returncode == NOT_SET_UP
    assert "has to be root's" in done.stderr


@pytest.mark.slow
def test_code_that_others_could_have_written_does_not_run_as_root(node):
    place = "/opt/ijp/lib/batch/accounts"
    node.do("chmod", "go+w", place)
    try:
        done = node.helper("list")
        assert done.returncode == NOT_SET_UP
        assert f"{place}: others than root can write" in done.stderr
    finally:
        node.do("chmod", "go-w", place)


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_text",
    [
        "{}",
        "[1]",
        "not json",
        json.dumps({"argv": ["id"], "environment": {}, "job_file": None}),
        json.dumps(
            {
                "argv": ["a\0b"],
                "environment": {},
                "job_file": None,
                "cpu_seconds": None,
                "process_limit": 9,
                "nicer": 0,
            }
        ),
        json.dumps(
            {
                "argv": ["\ud800"],
                "environment": {},
                "job_file": None,
                "cpu_seconds": None,
                "process_limit": 9,
                "nicer": 0,
            }
        ),
    ],
)
def test_what_is_no_request_to_run_something_is_refused(node, request_text):
    program = """
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
helper = subprocess.Popen([sys.argv[1], "run", "default", "17"], stdin=theirs)
theirs.close()
reading = ours.makefile()
reading.readline()
socket.send_fds(ours, [b"R"], [1, 2])
ours.sendall(sys.argv[2].encode() + b"\\n")
print(reading.readline())
helper.wait()
"""
    program = program.replace("\\\\n", "\\n")
    assert '"refused"' in node.python(program, HELPER, request_text)
    assert set(node.left().values()) == {"free"}
