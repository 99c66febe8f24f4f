"""What a catalog must know of a facility, from files: types, people, investigations, rules.

A facility's folder holds ``facility.toml`` and, if it has rules of its own, ``rules.toml``.
Everything goes through the catalog's public interface as the user who loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields, validate

from ijp.catalog import CatalogSession, Entity
from ijp.errors import BadRequestError
from ijp.query import query
from jobdefs.shipped import examples_folder
from servicekit import rule_file
from servicekit.rule_file import RuleFile, RuleLine
from servicekit.settings import SettingsError
from servicekit.toml_file import checked
from servicekit.wire import camel_case

SERVICE_GROUP = "portal"
"""The group of the portal's own account, for rules."""

_OWNERS = ("investigation", "dataset", "datafile", "sample", "dataCollection")


class _Facility(Schema):
    name = fields.String(required=True)
    full_name = fields.String()
    description = fields.String()
    url = fields.String()


class _Named(Schema):
    name = fields.String(required=True)
    description = fields.String()


class _Format(_Named):
    version = fields.String(required=True)
    type = fields.String()


class _ParameterType(_Named):
    units = fields.String(load_default="")
    units_full_name = fields.String()
    value_type = fields.String(
        required=True, validate=validate.OneOf(["NUMERIC", "STRING", "DATE_AND_TIME"])
    )
    applicable_to = fields.List(
        fields.String(validate=validate.OneOf(_OWNERS)), load_default=lambda: ["dataset"]
    )
    minimum = fields.Float()
    maximum = fields.Float()
    enforced = fields.Boolean()
    values = fields.List(fields.String(), load_default=list)


class _User(Schema):
    name = fields.String(required=True)
    full_name = fields.String()
    email = fields.String()


class _Group(Schema):
    name = fields.String(required=True)
    members = fields.List(fields.String(), load_default=list)


class _Investigation(Schema):
    name = fields.String(required=True)
    visit_id = fields.String(required=True)
    title = fields.String(required=True)
    type = fields.String(required=True)
    summary = fields.String()
    users = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


class _Document(Schema):
    facility = fields.Nested(_Facility, required=True)
    dataset_types = fields.List(fields.Nested(_Named), load_default=list)
    investigation_types = fields.List(fields.Nested(_Named), load_default=list)
    datafile_formats = fields.List(fields.Nested(_Format), load_default=list)
    parameter_types = fields.List(fields.Nested(_ParameterType), load_default=list)
    users = fields.List(fields.Nested(_User), load_default=list)
    groups = fields.List(fields.Nested(_Group), load_default=list)
    investigations = fields.List(fields.Nested(_Investigation), load_default=list)


@dataclass(frozen=True)
class Description:
    """What the files of a facility say, and which files they are."""

    file: Path
    document: Mapping[str, Any]
    rules: RuleFile

    @property
    def users(self) -> list[str]:
        """The names of the people, with their mechanism."""
        return [user["name"] for user in self.document["users"]]


def read(folder: Path) -> Description:
    """Read and check a facility's files.

    Raises:
        SettingsError: A file is missing or wrong; the message names it and every fault.
    """
    file, own = folder / "facility.toml", folder / "rules.toml"
    rules_file = own if own.exists() else examples_folder() / "rules.toml"
    document, rules = checked(file, _Document()), rule_file.read(rules_file)
    _check_investigations(file, document)
    if rules_file == own:
        _check_groups(document, rules)
    return Description(file, document, rules)


def _check_investigations(file: Path, document: Mapping[str, Any]) -> None:
    types = {one["name"] for one in document["investigation_types"]}
    for one in document["investigations"]:
        if one["type"] not in types:
            raise SettingsError(
                f"{file}: investigation {one['name']!r}: there is no investigation type "
                f"{one['type']!r} (there are: {', '.join(sorted(types)) or 'none'})"
            )


def _check_groups(document: Mapping[str, Any], rules: RuleFile) -> None:
    groups = {one["name"] for one in document["groups"]} | {SERVICE_GROUP}
    for rule in rules.rules:
        if rule.group and rule.group not in groups:
            raise SettingsError(
                f"{rules.path}: a rule is for the group {rule.group!r}, which facility.toml does"
                f" not have (it has: {', '.join(sorted(groups))})"
            )


def load(session: CatalogSession, description: Description, service_user: str) -> Iterator[str]:
    """Bring the catalog to what the files say; nothing is taken away.

    Args:
        service_user: The portal's own account, which becomes a member of its group.

    Yields:
        A line for each thing that was made or changed.

    Raises:
        SettingsError: The catalog refuses something; the message names the file and the thing.
    """
    yield from _Loader(session, description, service_user).run()


class _Loader:
    def __init__(
        self, session: CatalogSession, description: Description, service_user: str
    ) -> None:
        self._session = session
        self._file = description.file
        self._document = description.document
        self._rules = description.rules
        self._service_user = service_user
        self._facility: int = 0

    def run(self) -> Iterator[str]:
        self._facility, lines = self._ensure("Facility", {}, self._document["facility"])
        yield from lines
        yield from self._kinds()
        yield from self._parameter_types()
        yield from self._people()
        yield from self._investigations()
        yield from self._allow()

    def _ensure(
        self, entity: str, key: Mapping[str, Any], values: Mapping[str, Any]
    ) -> tuple[int, list[str]]:
        """The id of what has this key and name; made or changed to have the values."""
        wire = {camel_case(name): value for name, value in values.items()}
        conditions = {**{f"{name}.id": id for name, id in key.items()}, "name": wire["name"]}
        for more in ("units", "version", "visitId"):
            if more in wire:
                conditions[more] = wire[more]
        found = self._session.search(_select(entity, conditions))
        if not found:
            relations = {name: {"id": id} for name, id in key.items()}
            with self._blamed(f"{entity} {wire['name']!r}"):
                id = self._session.create(entity, **wire, **relations)
            return id, [f"{entity} {wire['name']}"]
        known: Entity = found[0]
        changed = {
            name: value
            for name, value in wire.items()
            if not isinstance(value, dict) and known.get(name) != value
        }
        if not changed:
            return int(known["id"]), []
        with self._blamed(f"{entity} {wire['name']!r}"):
            self._session.update(entity, known["id"], **changed)
        return int(known["id"]), [f"{entity} {wire['name']}: {', '.join(sorted(changed))}"]

    @contextmanager
    def _blamed(self, what: str, file: Path | None = None) -> Iterator[None]:
        """Name the file and the thing in what the catalog refuses."""
        try:
            yield
        except BadRequestError as error:
            raise SettingsError(f"{file or self._file}: {what}: {error.message}") from error

    def _kinds(self) -> Iterator[str]:
        of_facility = {"facility": self._facility}
        for section, entity in (
            ("dataset_types", "DatasetType"),
            ("investigation_types", "InvestigationType"),
            ("datafile_formats", "DatafileFormat"),
        ):
            for values in self._document[section]:
                yield from self._ensure(entity, of_facility, values)[1]

    def _parameter_types(self) -> Iterator[str]:
        for one in self._document["parameter_types"]:
            values = {name: one[name] for name in one if name not in _NOT_ATTRIBUTES}
            for owner in _OWNERS:
                name = "applicable_to_" + owner.replace("C", "_c")
                values[name] = owner in one["applicable_to"]
            for name, limit in (("minimum", "minimum"), ("maximum", "maximum")):
                if limit in one:
                    values[f"{name}_numeric_value"] = one[limit]
            id, lines = self._ensure("ParameterType", {"facility": self._facility}, values)
            yield from lines
            yield from self._permissible(id, one["values"])

    def _permissible(self, type_id: int, values: list[str]) -> Iterator[str]:
        text = "SELECT v.value FROM PermissibleStringValue v WHERE v.type.id = {}"
        known = set(self._session.search(query(text, type_id))) if values else set()
        for value in values:
            if value not in known:
                self._session.create("PermissibleStringValue", value=value, type={"id": type_id})
                yield f"PermissibleStringValue {value}"

    def _people(self) -> Iterator[str]:
        groups = [*self._document["groups"]]
        groups.append({"name": SERVICE_GROUP, "members": [self._service_user]})
        users = {one["name"]: one for one in self._document["users"]}
        for name in (member for group in groups for member in group["members"]):
            users.setdefault(name, {"name": name})
        for values in users.values():
            yield from self._ensure("User", {}, values)[1]
        for group in groups:
            id, lines = self._ensure("Grouping", {}, {"name": group["name"]})
            yield from lines
            for member in group["members"]:
                yield from self._link("UserGroup", {"user": self._user(member), "grouping": id}, {})

    def _user(self, name: str) -> int:
        return self._id("User", name)

    def _id(self, entity: str, name: str) -> int:
        found = self._session.search(
            query(f"SELECT x.id FROM {entity} x WHERE x.name = {{}}", name)
        )
        if not found:
            raise SettingsError(f"{self._file}: there is no {entity} named {name!r}")
        return int(found[0])

    def _link(
        self, entity: str, ends: Mapping[str, int], values: Mapping[str, Any]
    ) -> Iterator[str]:
        conditions = {**{f"{name}.id": id for name, id in ends.items()}, **values}
        if not self._session.search(_select(entity, conditions)):
            self._session.create(
                entity, **values, **{name: {"id": id} for name, id in ends.items()}
            )
            yield f"{entity} {' '.join(map(str, values.values()))}".rstrip()

    def _investigations(self) -> Iterator[str]:
        for one in self._document["investigations"]:
            kind = self._id("InvestigationType", one["type"])
            values = {name: one[name] for name in one if name not in ("users", "type")}
            values["type"] = {"id": kind}
            id, lines = self._ensure("Investigation", {"facility": self._facility}, values)
            yield from lines
            for user, role in one["users"].items():
                ends = {"user": self._user(user), "investigation": id}
                yield from self._link("InvestigationUser", ends, {"role": role})

    def _allow(self) -> Iterator[str]:
        known = {
            RuleLine.of(group, flags, what)
            for group, flags, what in self._session.search(
                "SELECT g.name, r.crudFlags, r.what FROM Rule r LEFT JOIN r.grouping g"
            )
        }
        for rule in self._rules.rules:
            if rule in known or (rule.group and not self._has_group(rule.group)):
                continue
            values: dict[str, Any] = {"what": rule.what, "crudFlags": rule.flags}
            if rule.group:
                values["grouping"] = {"id": self._id("Grouping", rule.group)}
            with self._blamed(f"rule {rule.what!r}", self._rules.path):
                self._session.create("Rule", **values)
            yield f"Rule {rule.flags} {rule.what}"
        for step in self._rules.public_steps:
            values = {"origin": step.origin, "field": step.field}
            if not self._session.search(_select("PublicStep", values)):
                with self._blamed(f"public step {step.origin}", self._rules.path):
                    self._session.create("PublicStep", **values)
                yield f"PublicStep {step.origin} {step.field}"

    def _has_group(self, name: str) -> bool:
        return bool(
            self._session.search(query("SELECT g.id FROM Grouping g WHERE g.name = {}", name))
        )


_NOT_ATTRIBUTES = ("applicable_to", "minimum", "maximum", "values")


def _select(entity: str, conditions: Mapping[str, Any]) -> str:
    """A query for what has these values; names are ours, values become literals."""
    where = " AND ".join(query(f"x.{name} = {{}}", value) for name, value in conditions.items())
    return f"SELECT x FROM {entity} x WHERE {where}"
