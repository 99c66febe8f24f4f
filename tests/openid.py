"""A real OpenID provider of one's own, in a process beside the tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from bench.postgresql import free_port

CLIENT = "portal-client"


@contextmanager
def provider() -> Iterator[str]:
    """The issuer's address; any user who types a name is let in."""
    port = free_port()
    url = f"http://localhost:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--host", "localhost", "--require-nonce", "true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            requests.get(f"{url}/jwks", timeout=5).close()
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail("the OpenID provider did not start")


def answer_of(issuer: str, address: str, user: str) -> str:
    """Log in at the provider as a browser would; gives where it then sends the browser."""
    with requests.Session() as browser:
        page = browser.get(address, timeout=20)
        assert page.ok, page.text
        done = browser.post(page.url, data={"sub": user}, allow_redirects=False, timeout=20)
    assert done.status_code in (302, 303), done.text
    return str(done.headers["Location"])


def tokens(issuer: str, user: str, *, client: str = CLIENT, **claims: Any) -> dict[str, Any]:
    """What the provider gives a program for a user with these claims."""
    if claims:
        requests.put(f"{issuer}/users/{user}", json=claims, timeout=20).raise_for_status()
    back = "http://localhost/back"
    query = {
        "client_id": client,
        "redirect_uri": back,
        "response_type": "code",
        "scope": "openid profile email",
        "state": "s",
        "nonce": str(time.monotonic_ns()),
    }
    address = requests.Request("GET", f"{issuer}/oauth2/authorize", params=query).prepare().url
    place = answer_of(issuer, str(address), user)
    code = parse_qs(urlsplit(place).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    answer = requests.post(f"{issuer}/oauth2/token", data=form, auth=(client, "secret"), timeout=20)
    answer.raise_for_status()
    return dict(answer.json())
