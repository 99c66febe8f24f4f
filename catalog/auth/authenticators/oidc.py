"""Users of an OpenID provider, by a token that it signed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from marshmallow import ValidationError, fields, validate, validates

from catalog.auth.authenticator import Authenticator, CredentialKey, Surroundings
from catalog.auth.plugin_settings import AuthenticatorSchema, checked, full_name
from ijp.errors import NotAuthenticatedError, UnavailableError
from servicekit.settings import SettingsError

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Those with a private and a public key; with others anybody who can check could sign."""

_KINDS = ("RSA", "EC")
_LEEWAY_SECONDS = 60
_KEYS_KEPT_SECONDS = 3600.0
_LOOK_AGAIN_SECONDS = 30.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OidcSchema(AuthenticatorSchema):
    """Keys of the authenticator ``oidc``.

    A token counts if it is for one of the ``audiences``: the portal's client id, and what programs
    ask for. ``user_claim`` must be one that users cannot choose or change.
    """

    issuer = fields.String(required=True)
    audiences = fields.List(fields.String(), required=True, validate=validate.Length(1))
    user_claim = fields.String(load_default="sub", validate=validate.Length(1))
    required_scope = fields.String(load_default=None)
    ca_file = fields.String(load_default=None)
    timeout_seconds = fields.Integer(load_default=5, validate=validate.Range(1, 60))

    @validates("issuer")
    def _is_secure(self, value: str, **_: object) -> None:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise ValidationError(f"{value!r} is not an address with https")


class OidcAuthenticator(Authenticator):
    """Checks a token's signature, issuer, audience, time and scope; a claim is the user."""

    friendly = "Single sign-on"
    keys = (CredentialKey("token", hide=True),)

    def __init__(self, surroundings: Surroundings) -> None:
        told = checked("oidc", OidcSchema, surroundings)
        self._told = told
        ca_file = surroundings.path(told["ca_file"]) if told["ca_file"] else None
        if ca_file and not ca_file.is_file():
            raise SettingsError(f"{ca_file}: there is no such file")
        self._keys = _ProviderKeys(
            told["issuer"],
            verify=str(ca_file) if ca_file else True,
            timeout=told["timeout_seconds"],
        )
        self._claims = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": told["issuer"]},
            aud={"essential": True, "values": told["audiences"]},
            exp={"essential": True},
        )

    def authenticate(self, credentials: Mapping[str, str]) -> str:
        token = credentials.get("token", "")
        if not token:
            raise NotAuthenticatedError("token cannot be null or empty.")
        claims = self._claims_of(token)
        if (scope := self._told["required_scope"]) and scope not in _scopes(claims):
            raise NotAuthenticatedError(f"the token is not for the scope {scope}")
        name = claims.get(self._told["user_claim"])
        if not isinstance(name, str):
            raise NotAuthenticatedError(
                f"the token does not name its user: it has no claim {self._told['user_claim']}"
            )
        return full_name(self._told["mechanism"], name)

    def _claims_of(self, token: str) -> dict[str, Any]:
        try:
            try:
                read = jwt.decode(token, self._keys.current(), algorithms=list(ALGORITHMS))
            except InvalidKeyIdError:
                read = jwt.decode(token, self._keys.newer(), algorithms=list(ALGORITHMS))
            self._claims.validate(read.claims)
        except (JoseError, ValueError, TypeError) as error:
            log.info("a token is refused: %s", type(error).__name__)
            raise NotAuthenticatedError(f"the token is not valid: {_reason(error)}") from error
        return dict(read.claims)


def _reason(error: Exception) -> str:
    """What is wrong, without what is in the token."""
    code = getattr(error, "error", "") or "it cannot be read"
    claim = getattr(error, "claim", None)
    return f"{code} ({claim})" if claim else str(code)


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """Providers write the scopes as one text or as a list, in one of two claims."""
    found = claims.get("scope", claims.get("scp", []))
    if isinstance(found, str):
        return found.split()
    return [str(one) for one in found] if isinstance(found, list) else []


class _ProviderKeys:
    """The public keys of a provider, asked for when they are first needed and now and then."""

    def __init__(self, issuer: str, *, verify: str | bool, timeout: int) -> None:
        self._issuer = issuer
        self._verify = verify
        self._timeout = timeout
        self._lock = threading.Lock()
        self._found: KeySet | None = None
        self._asked = 0.0

    def current(self) -> KeySet:
        """The keys as they were an hour ago or later.

        Raises:
            UnavailableError: The provider does not answer and never did.
        """
        with self._lock:
            if self._found is None or time.monotonic() - self._asked > _KEYS_KEPT_SECONDS:
                self._ask()
            return self._known()

    def newer(self) -> KeySet:
        """The keys when one was not among them: asked for again, but not each time."""
        with self._lock:
            if time.monotonic() - self._asked > _LOOK_AGAIN_SECONDS:
                self._ask()
            return self._known()

    def _known(self) -> KeySet:
        if self._found is None:
            raise UnavailableError("the provider of the log-in does not answer now")
        return self._found

    def _ask(self) -> None:
        """Ask; where there is no answer the keys from before go on."""
        try:
            place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            described = self._json(place)
            if described.get("issuer") != self._issuer:
                raise ValueError(f"{place} is of another issuer: {described.get('issuer')!r}")
            found = self._json(str(described["jwks_uri"]))["keys"]
            usable = [one for one in found if one.get("kty") in _KINDS and one.get("use") != "enc"]
            self._found = KeySet.import_key_set({"keys": usable})
            self._asked = time.monotonic()
        except (requests.RequestException, JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: its keys cannot be read: %s", self._issuer, error)
            if self._found is not None:
                self._asked = time.monotonic()

    def _json(self, url: str) -> dict[str, Any]:
        with requests.get(
            url, timeout=self._timeout, verify=self._verify, allow_redirects=False
        ) as answer:
            answer.raise_for_status()
            return dict(answer.json())
