"""Users with an account on this host, by its PAM, asked by a small program of its own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping

from marshmallow import fields, validate

from catalog.auth import passwords
from catalog.auth.authenticator import (
    USERNAME_AND_PASSWORD,
    Authenticator,
    Surroundings,
    no_match,
    username_and_password,
)
from catalog.auth.plugin_settings import LONGEST_NAME, AuthenticatorSchema, checked, full_name
from ijp.errors import UnavailableError

log = logging.getLogger(__name__)

_SAME_ACCOUNT = (sys.executable, "-I", "-m", "catalog.auth.pam_helper")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class PamSchema(AuthenticatorSchema):
    """Keys of the authenticator ``pam``.

    ``helper`` is the command that starts ``ijp-pam-helper`` as root, such as ``["sudo", "-n",
    "/opt/ijp/bin/ijp-pam-helper"]``; without it the helper runs under the service's own account.
    """

    service = fields.String(
        load_default="ijp", validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
    )
    least_uid = fields.Integer(load_default=1000, validate=validate.Range(0))
    helper = fields.List(fields.String(), load_default=None, validate=validate.Length(1))
    timeout_seconds = fields.Integer(load_default=30, validate=validate.Range(1, 60))


class PamAuthenticator(Authenticator):
    """Checks a username and password with PAM."""

    friendly = "Account of this host"
    keys = USERNAME_AND_PASSWORD

    def __init__(self, surroundings: Surroundings) -> None:
        told = checked("pam", PamSchema, surroundings)
        self._mechanism = told["mechanism"]
        self._timeout = told["timeout_seconds"]
        helper = told["helper"] or _SAME_ACCOUNT
        self._command = [*helper, told["service"], str(told["least_uid"])]

    def authenticate(self, credentials: Mapping[str, str]) -> str:
        name, password = username_and_password(credentials)
        if len(name) > LONGEST_NAME or len(password) > passwords.MAXIMUM_LENGTH:
            raise no_match()
        user = self._ask(json.dumps({"username": name, "password": password}))
        if user is None:
            raise no_match()
        return full_name(self._mechanism, user)

    def _ask(self, request: str) -> str | None:
        try:
            done = subprocess.run(  # the settings' own command
                self._command,
                input=request,
                capture_output=True,
                text=True,
                check=True,
                timeout=self._timeout,
                env=_ENVIRONMENT,
                cwd="/",
            )
            user = json.loads(done.stdout)["user"]
            return None if user is None else str(user)
        except subprocess.CalledProcessError as error:
            log.error("%s ended with %s: %s", self._command[0], error.returncode, error.stderr)
        except (OSError, ValueError, TypeError, KeyError, subprocess.TimeoutExpired) as error:
            # PermissionError too: a helper of root cannot be killed, and ends by itself
            log.error("%s: %s", self._command[0], type(error).__name__)
        raise UnavailableError("the accounts of this host cannot be asked now")
