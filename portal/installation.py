"""Making a new installation: its settings, secrets and folders."""

from __future__ import annotations

import json
import secrets
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.security import generate_password_hash

from jobdefs import shipped
from portal import secret_files
from servicekit import plugins
from servicekit.settings import SettingsError

SETTINGS_FILE = "ijp.toml"
ROOT_PASSWORD = "root_password"  # noqa: S105  # a file's name
SIMPLE_USERS = "simple_users.toml"
_SERVICE_USER = "ijp"

_SETTINGS = """\
# Settings of all services of this installation; relative paths are relative to this file.
# A variable such as IJP__DATABASE_URL or PORTAL__JOBS_PER_USER goes before what stands here.

[common]
# The one setting that changes to use PostgreSQL: "postgresql+psycopg2://user@host/database"
database_url = {database_url}
# Services that are not served in one process have addresses of their own here.
catalog_url = "http://catalog.embedded/icat"
datastore_url = "http://datastore.embedded/ids"
# Where browsers, and jobs, reach the portal.
public_url = {public_url}
# Proxies in front, such as nginx on this host, that tell from where a request comes.
# trusted_proxies = ["127.0.0.1"]

[catalog]
root_users = ["simple/root"]
authenticators = ["simple", "db"]
simple_users_file = "secrets/{simple_users}"

[datastore]
storage = "local"
storage_folder = "data"

[datastore.reader]
authenticator = "simple"
username = "{service_user}"
password_file = "secrets/{service_password}"

[portal]
facility = {facility}
facility_folder = {facility_folder}
work_folder = "work"
secrets_folder = "secrets"
service_user = "simple/{service_user}"
admins = ["simple/root"]
# The batch system; docs/engines.md has what each can be told below.
engine = {engine}

[portal.engine_settings]
{engine_settings}"""

_EMPTY_FACILITY = """\
# What the catalog must know of this facility; loaded by `ijpd facility load`.
[facility]
name = {name}
"""


@dataclass(frozen=True)
class Installation:
    """What was made.

    Attributes:
        root_password_file: Of the user ``simple/root``.
    """

    folder: Path
    settings_file: Path
    facility_folder: Path
    root_password_file: Path


def make(
    folder: Path,
    *,
    facility: str = "",
    facility_name: str = "",
    database_url: str = "",
    public_url: str = "http://127.0.0.1:8080",
    slots: int | None = None,
    engine: str = "local",
    engine_settings: Mapping[str, Any] | None = None,
) -> Installation:
    """Make an installation in a folder.

    Args:
        facility: A folder with a ``facility.toml``, which is used where it is; or the name of an
            example that ships with the package, which is copied; or empty for a new, empty one.
        facility_name: Of a new one.
        database_url: SQLite in the folder if empty.
        slots: Cores for jobs of the local engine; all if None.
        engine: The batch system, by the name of its engine.
        engine_settings: What is to stand in its table.

    Raises:
        SettingsError: There is an installation, or no such facility or engine.
    """
    if engine not in (known := plugins.available("ijp.batch_engines")):
        raise SettingsError(f"no batch engine {engine!r}; there are {', '.join(sorted(known))}")
    settings_file = folder / SETTINGS_FILE
    if settings_file.exists():
        raise SettingsError(f"{settings_file}: there is an installation in this folder already")
    folder.mkdir(parents=True, exist_ok=True)
    place = _facility_folder(folder, facility, facility_name)
    name = _name_of(place)
    _write_secrets(folder / "secrets")
    (folder / "work").mkdir(mode=0o700, exist_ok=True)
    inside = place.relative_to(folder) if place.is_relative_to(folder) else place
    settings_file.write_text(
        _SETTINGS.format(
            database_url=_text(database_url or f"sqlite:///{folder.resolve()}/{{service}}.db"),
            public_url=_text(public_url),
            simple_users=SIMPLE_USERS,
            service_user=_SERVICE_USER,
            service_password=secret_files.SERVICE_PASSWORD,
            facility=_text(name),
            facility_folder=_text(str(inside)),
            engine=_text(engine),
            engine_settings=_table(
                {**({} if slots is None else {"slots": slots}), **(engine_settings or {})}
            ),
        ),
        encoding="utf-8",
    )
    return Installation(folder, settings_file, place, folder / "secrets" / ROOT_PASSWORD)


def _facility_folder(folder: Path, facility: str, name: str) -> Path:
    if not facility:
        return _empty_facility(folder / "facility", name)
    if (Path(facility) / "facility.toml").is_file():
        return Path(facility).resolve()
    try:
        example = shipped.example(facility)
    except ValueError as error:
        raise SettingsError(f"{error}; nor is {facility} a folder with a facility.toml") from error
    return Path(shutil.copytree(example, folder / "facility", dirs_exist_ok=True))


def _empty_facility(place: Path, name: str) -> Path:
    for inner in ("bin", "job_types", "job_dataset_parameters"):
        (place / inner).mkdir(parents=True, exist_ok=True)
    description = place / "facility.toml"
    if not description.exists():
        description.write_text(_EMPTY_FACILITY.format(name=_text(name or "My facility")))
    return place


def _name_of(place: Path) -> str:
    path = place / "facility.toml"
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8"))["facility"]["name"])
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: it has no [facility] with a name") from error


def _write_secrets(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    secret_files.make(folder)
    if not (folder / ROOT_PASSWORD).exists():
        secret_files.write(folder / ROOT_PASSWORD, secrets.token_urlsafe(18) + "\n")
    if not (folder / SIMPLE_USERS).exists():
        accounts = {
            "root": secret_files.read(folder, ROOT_PASSWORD),
            _SERVICE_USER: secret_files.read(folder, secret_files.SERVICE_PASSWORD),
        }
        add_users(folder, accounts)


def add_users(folder: Path, passwords: dict[str, str]) -> None:
    """Add accounts of the authenticator ``simple``, or give them new passwords.

    Args:
        folder: That of the secrets.
        passwords: By user name.
    """
    path = folder / SIMPLE_USERS
    known = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known |= {name: generate_password_hash(word) for name, word in passwords.items()}
    lines = [f"{_text(name)} = {_text(known_hash)}" for name, known_hash in known.items()]
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    secret_files.write(part, "\n".join(lines) + "\n")
    part.replace(path)


def _table(values: Mapping[str, Any]) -> str:
    """Lines of TOML."""
    return "".join(f"{_text(name)} = {_value(value)}\n" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (f"{_text(name)} = {_value(one)}" for name, one in value.items())
        return "{" + ", ".join(inner) + "}"
    return json.dumps(value, ensure_ascii=False)


def _text(value: str) -> str:
    """A string of TOML, whose escapes are those of JSON."""
    return json.dumps(value, ensure_ascii=False)
