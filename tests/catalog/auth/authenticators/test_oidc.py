"""Log-in by tokens of a real OpenID provider, and by tokens that it did not make as they should."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from bench.postgresql import free_port
from catalog.auth import authenticator
from catalog.auth.authenticator import Authenticator, Surroundings
from catalog.auth.authenticators import oidc
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError, UnavailableError
from servicekit import database
from servicekit.settings import SettingsError
from tests import openid


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with openid.provider() as url:
        yield url


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Authenticator]:
    def make(**told: Any) -> Authenticator:
        transactions = Transactions(database.engine_for("sqlite://", "catalog"))
        told = {"audiences": [openid.CLIENT], **told}
        return authenticator.load("oidc", Surroundings(transactions, told, tmp_path.joinpath))

    return make


def test_a_token_of_the_provider_lets_its_user_in(make, issuer):
    token = openid.tokens(issuer, "ana", email="ana@example.org")["id_token"]
    assert make(issuer=issuer).authenticate({"token": token}) == "oidc/ana"
    by_mail = make(issuer=issuer, user_claim="email", mechanism="")
    assert by_mail.authenticate({"token": token}) == "ana@example.org"


def test_a_token_for_another_client_does_not_count(make, issuer):
    token = openid.tokens(issuer, "ana", client="somebody-elses")["id_token"]
    with pytest.raises(NotAuthenticatedError, match=r"not valid: invalid_claim \(aud\)"):
        make(issuer=issuer).authenticate({"token": token})


def _text(given: bytes) -> str:
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()


def test_a_token_that_was_changed_does_not_count(make, issuer):
    head, body, signature = openid.tokens(issuer, "ana")["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = _text(json.dumps(claims | {"sub": "root"}).encode())
    made = make(issuer=issuer)
    with pytest.raises(NotAuthenticatedError, match="not valid: bad_signature"):
        made.authenticate({"token": f"{head}.{changed}.{signature}"})


def test_a_claim_that_is_missing_lets_nobody_in(make, issuer):
    token = openid.tokens(issuer, "ben")["id_token"]
    with pytest.raises(NotAuthenticatedError, match="no claim orcid"):
        make(issuer=issuer, user_claim="orcid").authenticate({"token": token})


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é.é.é", "x" * 60_000])
def test_what_is_no_token_is_refused(make, issuer, token):
    with pytest.raises(NotAuthenticatedError, match="token") as refusal:
        make(issuer=issuer).authenticate({"token": token})
    assert len(refusal.value.message) < 200


class _Provider:
    """Publishes keys that a test can change, to sign whatever it likes."""

    def __init__(self) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": "one"})]
        self.described: dict[str, Any] = {}
        self.asked: list[str] = []
        self.more: list[dict[str, Any]] = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                published = KeySet(provider.keys).as_dict(private=False)["keys"]
                known = {
                    "/.well-known/openid-configuration": provider.described,
                    "/keys": {"keys": [*provider.more, *published]},
                }
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(known[self.path]).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.described = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        threading.Thread(target=self.server.serve_forever, args=(0.05,)).start()

    def token(self, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        key = key or self.keys[-1]
        usual = {"iss": self.url, "aud": openid.CLIENT, "sub": "ana", "exp": time.time() + 600}
        body = {name: value for name, value in (usual | claims).items() if value is not None}
        algorithm = {"RSA": "RS256", "EC": "ES256"}[key.key_type]
        head = {"alg": algorithm, "kid": key.kid, **(header or {})}
        return jwt.encode(head, body, key, algorithms=[head["alg"]])


@pytest.fixture
def provider() -> Iterator[_Provider]:
    made = _Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": time.time() - 3600}, "expired_token"),
        ({"exp": None}, "missing_claim"),
        ({"exp": "never"}, "invalid_claim"),
        ({"nbf": time.time() + 3600}, "invalid"),
        ({"iss": "https://other.example.org"}, "invalid_claim"),
        ({"iss": None}, "missing_claim"),
        ({"aud": None}, "missing_claim"),
        ({"aud": []}, "claim"),
        ({"aud": ["a", "b"]}, "invalid_claim"),
        ({"sub": 5}, "invalid_claim"),
        ({"sub": "a\nb"}, "will not do as a user name"),
        ({"sub": ""}, "will not do as a user name"),
        ({"sub": "x" * 500}, "will not do as a user name"),
    ],
)
def test_claims_that_are_not_right_let_nobody_in(make, provider, claims, reason):
    made = make(issuer=provider.url)
    assert made.authenticate({"token": provider.token()}) == "oidc/ana"
    with pytest.raises(NotAuthenticatedError, match=reason):
        made.authenticate({"token": provider.token(**claims)})


def test_one_of_several_audiences_is_enough(make, provider):
    token = provider.token(aud=["other", "programs"])
    made = make(issuer=provider.url, audiences=[openid.CLIENT, "programs"])
    assert made.authenticate({"token": token}) == "oidc/ana"


@pytest.mark.parametrize("claims", [{"scope": "openid jobs"}, {"scp": ["jobs"]}])
def test_a_scope_can_be_asked_for(make, provider, claims):
    made = make(issuer=provider.url, required_scope="jobs")
    assert made.authenticate({"token": provider.token(**claims)}) == "oidc/ana"
    for wrong in ({"scope": "openid jobsearch"}, {}, {"scope": 5}):
        with pytest.raises(NotAuthenticatedError, match="not for the scope jobs"):
            made.authenticate({"token": provider.token(**wrong)})


def test_without_a_mechanism_no_user_of_another_one_can_be_claimed(make, provider):
    made = make(issuer=provider.url, mechanism="")
    with pytest.raises(NotAuthenticatedError, match="'simple/root' will not do"):
        made.authenticate({"token": provider.token(sub="simple/root")})


def test_a_key_that_is_not_the_providers_signs_nothing(make, provider):
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(NotAuthenticatedError, match="bad_signature"):
        make(issuer=provider.url).authenticate({"token": provider.token(stranger)})


def test_no_signature_and_one_with_the_public_key_do_not_count(make, provider):
    made = make(issuer=provider.url)
    public = provider.keys[0].as_pem(private=False)
    body = provider.token().split(".")[1]
    unsigned = _text(b'{"alg":"none","kid":"one"}') + f".{body}"
    shared = _text(b'{"alg":"HS256","kid":"one"}') + f".{body}"
    signature = _text(hmac.digest(public, shared.encode(), "sha256"))
    for token in (f"{shared}.{signature}", f"{unsigned}."):
        with pytest.raises(NotAuthenticatedError, match="not valid: unsupported_algorithm"):
            made.authenticate({"token": token})


def test_a_new_key_of_the_provider_is_asked_for_but_not_each_time(make, provider, monkeypatch):
    made = make(issuer=provider.url)
    made.authenticate({"token": provider.token()})
    provider.keys.append(ECKey.generate_key("P-256", {"kid": "two"}))
    monkeypatch.setattr(oidc, "_LOOK_AGAIN_SECONDS", 0.0)
    assert made.authenticate({"token": provider.token()}) == "oidc/ana"
    monkeypatch.setattr(oidc, "_LOOK_AGAIN_SECONDS", 600.0)
    before = len(provider.asked)
    for number in range(5):
        stranger = RSAKey.generate_key(2048, {"kid": f"unknown {number}"})
        with pytest.raises(NotAuthenticatedError, match="not valid"):
            made.authenticate({"token": provider.token(stranger)})
    assert len(provider.asked) == before


def test_keys_that_are_not_understood_do_not_disturb(make, provider):
    provider.more = [{"kty": "OKP", "crv": "X448", "x": "AA", "kid": "odd"}, {"kty": "new"}]
    assert make(issuer=provider.url).authenticate({"token": provider.token()}) == "oidc/ana"


def test_a_provider_that_does_not_answer_is_told_and_tried_again(make, provider, caplog):
    token = provider.token()
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match="the provider of the log-in"):
        make(issuer=nobody).authenticate({"token": token})
    provider.described["issuer"] = "https://other.example.org"
    made = make(issuer=provider.url)
    with pytest.raises(UnavailableError):
        made.authenticate({"token": token})
    assert "is of another issuer: 'https://other.example.org'" in caplog.text
    provider.described["issuer"] = provider.url
    assert made.authenticate({"token": token}) == "oidc/ana"


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({}, "issuer: Missing data"),
        ({"issuer": "http://id.example.org"}, "issuer: 'http://id.example.org' is not"),
        ({"issuer": "id.example.org"}, "issuer: 'id.example.org' is not an address with https"),
        ({"issuer": "https://id.example.org", "audiences": []}, "audiences: Shorter"),
        ({"issuer": "https://id.example.org", "ca_file": "no.pem"}, "no.pem: there is no such"),
        ({"issuer": "https://id.example.org", "secret": "x"}, "secret: Unknown field"),
    ],
)
def test_wrong_settings_stop_the_start(make, told, fault):
    with pytest.raises(SettingsError) as refusal:
        make(**told)
    assert fault in str(refusal.value)
