"""May this user do that to this object, and may this be a rule."""

from __future__ import annotations

import enum
from collections.abc import Collection

from catalog.authz.caller import Caller, Executor


class Access(enum.Enum):
    """What a rule can allow, with its letter in ``Rule.crudFlags``."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"


class Rights:
    """What one user may do, by the rules as they stand in this transaction.

    The objects must be in the database: flush before asking.
    """

    def __init__(self, executor: Executor, caller: Caller) -> None:
        """Read the caller's rules; nothing is kept between transactions."""
        self._executor = executor
        self._caller = caller

    def permitted(self, access: Access, entity: str, ids: Collection[int]) -> set[int]:
        """Those of the ids that exist and are permitted."""
        if self._caller.is_root:
            return set(ids)
        raise NotImplementedError

    def require(
        self,
        access: Access,
        entity: str,
        ids: Collection[int],
        *,
        implied_by: Access | None = None,
    ) -> None:
        """Check that an access to each of these objects is permitted.

        For CREATE, insert and flush first: the rule is tested on what was stored.

        Raises:
            NotAuthorizedError: ``UPDATE access to this Dataset is not allowed.``; with
                ``implied_by``: ``DELETE access implied by UPDATE to this …``.
        """
        if self._caller.is_root:
            return
        raise NotImplementedError

    def require_update(self, entity: str, id: int, fields: Collection[str]) -> None:
        """Check UPDATE of one object, or of every one of the given fields (wire names) of it.

        Raises:
            NotAuthorizedError: Neither the object nor all of these fields may be updated.
        """
        if self._caller.is_root:
            return
        raise NotImplementedError

    def require_delete(self, entity: str, ids: Collection[int]) -> None:
        """Check DELETE of these objects and of everything that is deleted along with them.

        Raises:
            NotAuthorizedError: Names the entity of an object that may not be deleted.
        """
        if self._caller.is_root:
            return
        raise NotImplementedError


def check_rule(what: str, crud_flags: str) -> tuple[str, str]:
    """Check the text of a rule; call it whenever a Rule is created or updated.

    Returns:
        ``what`` trimmed and the flags trimmed, in upper case: so they are to be stored.

    Raises:
        BadRequestError: ICAT's BAD_PARAMETER: a wrong query, a wrong flag.
    """
    raise NotImplementedError


def check_public_step(origin: str, field: str) -> None:
    """Check a public step; call it whenever a PublicStep is created or updated.

    Raises:
        BadRequestError: There is no such entity, or it has no such relation.
    """
    raise NotImplementedError
