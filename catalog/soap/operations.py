"""What each operation does: from its arguments to what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from catalog.auth.authenticator import Authenticator
from catalog.authz.rules import Access
from catalog.description import describe
from catalog.query.schema import entities
from catalog.services import Services
from catalog.soap import answers, beans
from catalog.soap.beans import BeanReader
from catalog.soap.envelope import Call, Element, local_name, own_name, text_of
from catalog.soap.interface import ACCESS_TYPES
from catalog.spool import spooled
from catalog.version import VERSION
from ijp.errors import BadRequestError, NotAuthorizedError

MOST_CREDENTIALS = 50

NUMBERED = frozenset({"createMany", "delete", "deleteMany"})
"""The operations whose errors say which bean they are about."""


@dataclass(frozen=True)
class Request:
    """A call, with what it is made to.

    Attributes:
        address: Where it came from.
    """

    services: Services
    call: Call
    address: str

    @property
    def session_id(self) -> str | None:
        """The session that was sent; None if there was none."""
        return self.call.text("sessionId")

    @property
    def reader(self) -> BeanReader:
        """What reads entities that are to be stored."""
        return BeanReader(self.services.settings.time_zone)


Returns = Iterable[str]


def run(request: Request) -> Iterable[bytes]:
    """Do what was asked for.

    All that can fail is done when this gives back; what it gives only remains to be sent.

    Raises:
        PortalError: It cannot be done.
    """
    operation = request.call.operation
    return spooled(answers.answer(operation, _RUN[operation](request)))


def _login(request: Request) -> Returns:
    plugin = request.call.text("plugin") or ""
    credentials = dict(_entry(one) for one in _entries(request.call))
    return answers.plain([request.services.door.login(plugin, credentials, request.address)])


def _entries(call: Call) -> list[Element]:
    found = [one for given in call.elements("credentials") for one in given]
    if len(found) > MOST_CREDENTIALS:
        raise BadRequestError(f"there are at most {MOST_CREDENTIALS} credentials")
    return found


def _entry(entry: Element) -> tuple[str, str]:
    if own_name(entry) != "entry":
        raise BadRequestError(f"credentials have entries, not {local_name(entry)[:60]}")
    found = {own_name(one): text_of(one) for one in entry}
    if not found.keys() <= {"key", "value"}:
        raise BadRequestError("an entry of credentials has a key and a value")
    return found.get("key", ""), found.get("value", "")


def _logout(request: Request) -> Returns:
    request.services.logout(request.session_id)
    return ()


def _refresh(request: Request) -> Returns:
    request.services.refresh(request.session_id)
    return ()


def _user_name(request: Request) -> Returns:
    return answers.plain([request.services.session_status(request.session_id)[0]])


def _remaining_minutes(request: Request) -> Returns:
    left = request.services.session_status(request.session_id)[1]
    return answers.plain([left / timedelta(minutes=1)])


def _version(_: Request) -> Returns:
    return answers.plain([VERSION])


def _entity_names(_: Request) -> Returns:
    return answers.plain(entities())


def _entity_info(request: Request) -> Returns:
    return [answers.entity_info(describe(request.call.required("beanName")))]


def _authenticators(request: Request) -> Returns:
    told = request.services.settings.authenticator_settings
    return [
        _authenticator(name, one, str(told.get(name, {}).get("friendly", one.friendly)))
        for name, one in request.services.door.authenticators.items()
    ]


def _authenticator(name: str, one: Authenticator, friendly: str) -> str:
    keys = [(key.name, key.hide) for key in one.keys]
    return answers.authenticator_info(name, friendly, keys, admin=one.admin)


def _properties(request: Request) -> Returns:
    """Settings that are no secrets, for root users."""
    caller = request.services.caller(request.session_id)
    if not caller.is_root:
        raise NotAuthorizedError("user must be in rootUserNames")
    settings = request.services.settings
    return answers.plain(
        [
            f"authn.list {' '.join(settings.authenticators)}",
            f"lifetimeMinutes {settings.lifetime_minutes:g}",
            f"maxEntities {settings.max_entities}",
            f"rootUserNames {' '.join(sorted(settings.root_users))}",
        ]
    )


def _create(request: Request) -> Returns:
    caller = request.services.caller(request.session_id)
    made = request.reader.creations([request.call.element("bean")])
    return answers.plain(request.services.create_beans(caller, made))


def _create_many(request: Request) -> Returns:
    caller = request.services.caller(request.session_id)
    made = request.reader.creations(request.call.elements("beans"))
    return answers.plain(request.services.create_beans(caller, made))


def _update(request: Request) -> Returns:
    caller = request.services.caller(request.session_id)
    request.services.update_bean(caller, request.reader.replacement(request.call.element("bean")))
    return ()


def _delete(request: Request) -> Returns:
    caller = request.services.caller(request.session_id)
    request.services.delete(caller, beans.targets([request.call.element("bean")]))
    return ()


def _delete_many(request: Request) -> Returns:
    caller = request.services.caller(request.session_id)
    request.services.delete(caller, beans.targets(request.call.elements("beans")))
    return ()


def _get(request: Request) -> Returns:
    with request.services.reading(request.session_id) as reader:
        query, id = request.call.required("query"), _id(request.call.required("primaryKey"))
        return answers.rows([[[reader.find(query, id)]]])


def _id(text: str) -> int:
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise BadRequestError(f"Badly formatted id: {text[:60]}")
    return int(text)


def _search(request: Request) -> Returns:
    with request.services.reading(request.session_id) as reader:
        yield from answers.rows(reader.pages(request.call.required("query")))


def _is_access_allowed(request: Request) -> Returns:
    with request.services.reading(request.session_id) as reader:
        bean, access = request.call.element("bean"), _access(request.call.required("accessType"))
        if access is not Access.CREATE:
            ((entity, id),) = beans.targets([bean])
            return answers.plain([reader.allows(access, entity, id)])
        (creation,) = request.reader.creations([bean])
        caller = reader.caller
    return answers.plain([request.services.may_create(caller, creation)])


def _access(text: str) -> Access:
    if text.strip() not in ACCESS_TYPES:
        raise BadRequestError(f"accessType is one of {', '.join(ACCESS_TYPES)}, not {text[:60]}")
    return Access[text.strip()]


def _dummy(_: Request) -> Returns:
    return ()


_RUN: dict[str, Callable[[Request], Returns]] = {
    "login": _login,
    "logout": _logout,
    "refresh": _refresh,
    "getUserName": _user_name,
    "getRemainingMinutes": _remaining_minutes,
    "getApiVersion": _version,
    "getVersion": _version,
    "getEntityNames": _entity_names,
    "getEntityInfo": _entity_info,
    "getAuthenticatorInfo": _authenticators,
    "getProperties": _properties,
    "create": _create,
    "createMany": _create_many,
    "update": _update,
    "delete": _delete,
    "deleteMany": _delete_many,
    "get": _get,
    "search": _search,
    "isAccessAllowed": _is_access_allowed,
    "dummy": _dummy,
}
