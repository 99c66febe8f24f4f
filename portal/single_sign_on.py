"""Log-in at an OpenID provider: the browser is sent there and comes back with a code.

The flow is Authlib's, with PKCE, state and nonce; what it must remember until the browser is back
is in the signed cookie of forms. Who the user is, the catalog reads from the provider's token.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from authlib.integrations.base_client import MismatchingStateError, OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, session
from joserfc.errors import JoseError
from marshmallow import RAISE, Schema, fields, post_load, validate
from werkzeug.wrappers import Response

from ijp.errors import NotAuthenticatedError, UnavailableError
from portal import secret_files
from servicekit.settings import SettingsError

log = logging.getLogger(__name__)

CALLBACK = "/login/single-sign-on/callback"
_NAME = "provider"
_STATES = f"_state_{_NAME}_"
_DESTINATION = "single_sign_on_destination"
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class SingleSignOnSettings:
    """What ``[portal.single_sign_on]`` says.

    Attributes:
        authenticator: The catalog's, which gets the token.
        client_id: That of the portal at the provider.
        client_secret_file: In the folder of the secrets.
        token: Which of the provider's tokens the catalog gets.
    """

    issuer: str
    client_id: str
    client_secret_file: str
    authenticator: str
    scope: str
    token: str


class SingleSignOnSchema(Schema):
    """The keys of ``[portal.single_sign_on]``."""

    class Meta:
        unknown = RAISE

    issuer = fields.Url(required=True, require_tld=False)
    client_id = fields.String(required=True, validate=validate.Length(1))
    client_secret_file = fields.String(required=True)
    authenticator = fields.String(load_default="oidc", validate=validate.Length(1))
    scope = fields.String(load_default="openid profile email")
    token = fields.String(
        load_default="id_token", validate=validate.OneOf(["id_token", "access_token"])
    )

    @post_load
    def _made(self, loaded: dict[str, Any], **_: Any) -> SingleSignOnSettings:
        return SingleSignOnSettings(**loaded)


class SingleSignOn:
    """The way through the provider; ``None`` in its place where there is none."""

    def __init__(
        self,
        app: Flask,
        told: SingleSignOnSettings,
        *,
        public_url: str,
        secrets_folder: Path,
        ca_bundle: str | None,
    ) -> None:
        """Take the settings; the provider is asked when somebody first logs in.

        Raises:
            SettingsError: The client's secret cannot be read, or the scope has no openid.
        """
        if "openid" not in told.scope.split():
            raise SettingsError("[portal.single_sign_on] scope: must contain openid")
        self.authenticator = told.authenticator
        self._told = told
        self._callback = public_url.rstrip("/") + CALLBACK
        self._client = OAuth(app).register(  # type: ignore[no-untyped-call]
            _NAME,
            client_id=told.client_id,
            client_secret=secret_files.read(secrets_folder, told.client_secret_file),
            server_metadata_url=told.issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={
                "scope": told.scope,
                "code_challenge_method": "S256",
                "default_timeout": _TIMEOUT_SECONDS,
                "verify": ca_bundle or True,
            },
        )

    def begin(self, destination: str) -> Response:
        """Send the browser to the provider; of several beginnings the last one counts.

        Raises:
            UnavailableError: The provider does not answer.
        """
        for name in [name for name in session if name.startswith(_STATES)]:
            del session[name]
        session[_DESTINATION] = destination
        try:
            answer: Response = self._client.authorize_redirect(self._callback)
        except (requests.RequestException, RuntimeError, ValueError) as error:
            raise _unavailable(error) from error
        return answer

    def finish(self) -> tuple[Mapping[str, str], str]:
        """What the browser has brought back: credentials for the catalog, and where to go on.

        Raises:
            NotAuthenticatedError: The provider refused, or this browser did not begin it.
            UnavailableError: The provider does not answer.
        """
        destination = str(session.pop(_DESTINATION, "/"))
        try:
            found = self._client.authorize_access_token(
                claims_options={"iss": {"essential": True, "value": self._told.issuer}}
            )
        except (OAuthError, JoseError) as error:
            log.warning("single sign-on failed: %s", getattr(error, "error", type(error).__name__))
            raise NotAuthenticatedError(_reason(error)) from error
        except (requests.RequestException, RuntimeError, ValueError) as error:
            raise _unavailable(error) from error
        if "userinfo" not in found or not isinstance(found.get(self._told.token), str):
            raise NotAuthenticatedError("the provider has not said who you are")
        return {"token": found[self._told.token]}, destination


def _reason(error: Exception) -> str:
    if getattr(error, "error", "") == "access_denied":
        return "the log-in was not allowed there"
    if isinstance(error, MismatchingStateError):
        return "the provider's answer is not one to a log-in that this browser has just begun"
    return "the provider did not say who you are"


def _unavailable(error: Exception) -> UnavailableError:
    log.warning("the OpenID provider does not answer: %s", type(error).__name__)
    return UnavailableError("the provider of the log-in does not answer now")
