from __future__ import annotations

import gzip
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import assets


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("x")
    app.register_blueprint(assets.blueprint)
    return app.test_client()


def _address(client: FlaskClient, name: str) -> str:
    with client.application.test_request_context():
        return assets.asset(name)


def test_an_address_holds_the_digest_and_is_kept_for_ever(client):
    answer = client.get(_address(client, "ijp.css"))
    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]


def test_another_address_of_the_same_file_is_asked_for_again(client):
    answer = client.get("/assets/older/live.js")
    assert answer.headers["Cache-Control"] == "no-cache"
    again = client.get("/assets/older/live.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_files_are_compressed_for_those_who_take_it(client):
    plain = client.get(_address(client, "bootstrap.css"))
    zipped = client.get(_address(client, "bootstrap.css"), headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.data) == plain.data
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert len(zipped.data) < 40_000


@pytest.mark.parametrize("name", ["../web.py", "%2e%2e/web.py", "nothing.css", "x/y.css", ".css"])
def test_nothing_else_is_served(client, name):
    assert client.get(f"/assets/x/{name}").status_code == 404


def test_bootstrap_follows_the_system_without_a_script(client):
    css = client.get(_address(client, "bootstrap.css")).text
    # the one rule left is for a bar that says itself that it is dark
    assert set(re.findall(r"[^,{}]*data-bs-theme=dark[^,{]*", css)) == {
        ".navbar[data-bs-theme=dark]"
    }
    assert css.count("prefers-color-scheme:dark") >= 5


def test_every_icon_that_a_template_asks_for_is_there(client):
    folder = assets._OWN.parent / "templates"
    wanted = {
        name
        for one in folder.rglob("*.html")
        for name in re.findall(r"""icon\(["']([a-z0-9-]+)["']""", one.read_text())
    }
    sprite = client.get(_address(client, "icons.svg")).text
    there = set(re.findall(r' id="([a-z0-9-]+)"', sprite))
    assert wanted
    assert wanted <= there
