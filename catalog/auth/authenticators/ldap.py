"""Users of an LDAP directory: their entry is searched for, then bound to with their password."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from ldap3 import ANONYMOUS, LEVEL, NONE, SIMPLE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException, LDAPSASLPrepError
from ldap3.utils.conv import escape_filter_chars
from marshmallow import ValidationError, fields, validate, validates_schema

from catalog.auth import passwords
from catalog.auth.authenticator import (
    USERNAME_AND_PASSWORD,
    Authenticator,
    Surroundings,
    no_match,
    username_and_password,
)
from catalog.auth.plugin_settings import (
    LONGEST_NAME,
    AuthenticatorSchema,
    checked,
    full_name,
    secret,
)
from ijp.errors import UnavailableError
from servicekit.settings import SettingsError

log = logging.getLogger(__name__)

_PLACE = "{username}"
_SUCCESS = 0
_SIZE_LIMIT = 4
_REFUSALS = frozenset({19, 32, 48, 49, 50, 53})
"""Results of a bind that are about the account; others are about the server (RFC 4511, 4.1.9)."""


class LdapSchema(AuthenticatorSchema):
    """Keys of the authenticator ``ldap``.

    ``servers`` are asked in their order until one answers. Between ``ldap://`` addresses and us
    there is TLS all the same, unless ``start_tls`` is false. Without ``bind_dn`` the search is
    anonymous. ``user_attribute`` is what the user is called in the catalog.
    """

    servers = fields.List(fields.String(), required=True, validate=validate.Length(1))
    base_dn = fields.String(required=True, validate=validate.Length(1))
    user_filter = fields.String(load_default=f"(uid={_PLACE})")
    user_attribute = fields.String(load_default="uid", validate=validate.Length(1))
    subtree = fields.Boolean(load_default=True)
    bind_dn = fields.String(load_default=None)
    bind_password_file = fields.String(load_default=None)
    start_tls = fields.Boolean(load_default=True)
    ca_file = fields.String(load_default=None)
    timeout_seconds = fields.Integer(load_default=5, validate=validate.Range(1, 60))

    @validates_schema
    def _together(self, data: dict[str, object], **_: object) -> None:
        if bool(data.get("bind_dn")) != bool(data.get("bind_password_file")):
            raise ValidationError("give both bind_dn and bind_password_file, or neither", "bind_dn")
        if _PLACE not in str(data.get("user_filter")):
            raise ValidationError(f"must contain {_PLACE}", "user_filter")
        for server in data.get("servers") or ():  # type: ignore[attr-defined]
            parts = urlsplit(server)
            if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
                raise ValidationError(f"{server!r} is not ldap://host or ldaps://host", "servers")


class _Tls(Tls):
    """TLS with the checks of Python's own library, which ldap3 does without."""

    def __init__(self, ca_file: str | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=ca_file)

    def wrap_socket(self, connection: Connection, do_handshake: bool = True) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=connection.server.host
        )


class LdapAuthenticator(Authenticator):
    """Checks a username and password against a directory."""

    friendly = "Directory account"
    keys = USERNAME_AND_PASSWORD

    def __init__(self, surroundings: Surroundings) -> None:
        told = checked("ldap", LdapSchema, surroundings)
        self._told = told
        self._timeout = told["timeout_seconds"]
        self._bind_password = ""
        if told["bind_password_file"]:
            self._bind_password = secret(surroundings.path(told["bind_password_file"])).strip()
        ca_file = str(surroundings.path(told["ca_file"])) if told["ca_file"] else None
        try:
            tls = _Tls(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(f"{ca_file}: no certificates can be read from it") from error
        self._servers = [
            Server(one, tls=tls, get_info=NONE, connect_timeout=self._timeout)
            for one in told["servers"]
        ]
        for server in self._servers:
            if not (server.ssl or told["start_tls"]):
                log.warning("%s: passwords go over the network in clear", server.name)

    def authenticate(self, credentials: Mapping[str, str]) -> str:
        name, password = username_and_password(credentials)
        if len(name) > LONGEST_NAME or len(password) > passwords.MAXIMUM_LENGTH:
            raise no_match()
        for server in self._servers:
            try:
                return self._ask(server, name, password)
            except LDAPSASLPrepError:
                raise no_match() from None
            except (LDAPException, OSError) as error:
                log.warning("%s does not answer: %s: %s", server.name, type(error).__name__, error)
        raise UnavailableError("the directory that knows the passwords does not answer now")

    def _ask(self, server: Server, name: str, password: str) -> str:
        found = self._find(server, name)
        # who is not there is bound to as well, so that this takes about as long
        dn, user_name = found or (f"cn=nobody,{self._told['base_dn']}", "")
        with self._bound(server, dn, password) as connection:
            result = connection.result["result"]
        if result == _SUCCESS and found:
            return full_name(self._told["mechanism"], user_name)
        if result == _SUCCESS or result in _REFUSALS:
            raise no_match()
        raise LDAPException(f"bind: {connection.result['description']}")

    def _find(self, server: Server, name: str) -> tuple[str, str] | None:
        """The distinguished name and the catalog's name of the one entry for a typed name."""
        attribute = self._told["user_attribute"]
        with self._bound(server, self._told["bind_dn"], self._bind_password) as connection:
            if connection.result["result"] != _SUCCESS:
                raise LDAPException(f"bind_dn: {connection.result['description']}")
            connection.search(
                self._told["base_dn"],
                self._told["user_filter"].replace(_PLACE, escape_filter_chars(name)),
                SUBTREE if self._told["subtree"] else LEVEL,
                attributes=[attribute],
                size_limit=2,
                time_limit=self._timeout,
            )
            if connection.result["result"] not in (_SUCCESS, _SIZE_LIMIT):
                raise LDAPException(f"search: {connection.result['description']}")
            entries = [one for one in connection.response or () if one["type"] == "searchResEntry"]
        if len(entries) != 1:
            if entries:
                log.warning("%s: several entries are found for %r", server.name, name)
            return None
        values = [str(one) for one in entries[0]["attributes"][attribute] or ()]
        same = [one for one in values if one.casefold() == name.casefold()]
        if not same and len(values) != 1:
            log.warning("%s: %s has %s of %s", server.name, name, len(values) or "none", attribute)
            return None
        return str(entries[0]["dn"]), (same or values)[0]

    @contextmanager
    def _bound(self, server: Server, dn: str | None, password: str) -> Iterator[Connection]:
        """A connection after its bind, the result of which is for the caller to look at."""
        connection = Connection(
            server,
            user=dn,
            password=password or None,
            authentication=SIMPLE if dn else ANONYMOUS,
            read_only=True,
            auto_referrals=False,
            receive_timeout=self._timeout,
        )
        try:
            connection.open(read_server_info=False)
            if not server.ssl and self._told["start_tls"]:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
            yield connection
        finally:
            with suppress(LDAPException, OSError):
                connection.unbind()
            if connection.socket:  # ldap3 forgets it after a fault
                connection.socket.close()
