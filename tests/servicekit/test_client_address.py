"""A request's address is the client's where proxies are trusted, and never what a client claims."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask, request
from marshmallow import Schema

from servicekit import client_address, embedded, settings
from servicekit.client_address import OWN, Networks
from servicekit.service import Service
from servicekit.settings import SettingsError


class _Schema(Schema):
    trusted_proxies = Networks()


@dataclass(frozen=True)
class _Settings:
    trusted_proxies: list[client_address.Network]


TRUSTED = _Schema().load({"trusted_proxies": ["10.0.0.0/8", "fd00::/8", "127.0.0.1"]})[
    "trusted_proxies"
]


def _address(peer: str | None, *told: str, inside: bool = False) -> str:
    environ = {"REMOTE_ADDR": peer} if peer else {}
    if inside:
        environ[client_address.IN_PROCESS] = True
    headers = [(client_address.HEADER, one) for one in told]
    app = Flask("x")
    with app.test_request_context(environ_overrides=environ, headers=headers):
        return client_address.of(request, TRUSTED)


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("fd00::1", ["2001:db8::9"], "2001:db8::9"),
        ("10.0.0.1", ["203.0.113.7, 198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.7", "198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ],
)
def test_address_is_the_first_that_no_trusted_proxy_has(peer, told, address):
    assert _address(peer, *told) == address


@pytest.mark.parametrize("told", ["", "unknown", "'; --", "1.2.3.4, x", "256.1.1.1", "a," * 5000])
def test_what_is_no_address_is_not_taken_for_one(told):
    assert _address("10.0.0.1", told) == "10.0.0.1"


def test_call_inside_the_process_speaks_for_others_or_for_itself():
    assert _address("127.0.0.1", "198.51.100.9", inside=True) == "198.51.100.9"
    assert _address("127.0.0.1", inside=True) == OWN


def test_only_a_call_inside_the_process_is_one(monkeypatch, tmp_path):
    app = Flask("echo")
    app.add_url_rule("/", view_func=lambda: client_address.of(request, ()))
    made = Service("echo", ("/",), lambda *_: app, lambda _: "sqlite://")
    monkeypatch.setattr(embedded, "services", lambda: {"echo": made})
    http = embedded.Process(tmp_path / "ijp.toml").http
    headers = {client_address.HEADER: "198.51.100.9"}
    assert http.get("http://echo.embedded/").text == OWN
    assert http.get("http://echo.embedded/", headers=headers).text == "198.51.100.9"
    forged = {**headers, "ijp.in_process": "1", "Ijp-In-Process": "1"}
    assert app.test_client().get("/", headers=forged).text == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('["10.0.0.1/8"]', "10.0.0.1/8 has host bits set"),
        ('["portal"]', "'portal' does not appear to be"),
        ("[5]", "must be a list of addresses and networks"),
        ("5", "must be a list of addresses and networks"),
    ],
)
def test_settings_name_what_is_no_network(tmp_path: Path, text, fault):
    path = tmp_path / "ijp.toml"
    path.write_text(f"[portal]\ntrusted_proxies = {text}\n")
    with pytest.raises(SettingsError, match=f"trusted_proxies: {fault}"):
        settings.read(path, "portal", _Schema, _Settings)


def test_an_environment_variable_has_commas_between_networks(tmp_path: Path):
    path = tmp_path / "ijp.toml"
    path.write_text("[portal]\n")
    environment = {"IJP__TRUSTED_PROXIES": "10.0.0.1, fd00::/8"}
    read = settings.read(path, "portal", _Schema, _Settings, environment)
    assert [str(one) for one in read.trusted_proxies] == ["10.0.0.1/32", "fd00::/8"]
