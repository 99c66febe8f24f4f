"""The portal's settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, fields, post_load, validate

from portal.external import ExternalSchema, ExternalSettings
from portal.limits import Limits, LimitsSchema
from portal.monitoring_settings import MonitoringSchema, MonitoringSettings
from portal.single_sign_on import SingleSignOnSchema, SingleSignOnSettings
from servicekit import settings as reading
from servicekit.client_address import Network, Networks
from servicekit.embedded import SUFFIX
from servicekit.settings import SettingsError

BEST = "best"
"""Instead of an engine's name: whichever is best."""


@dataclass(frozen=True)
class EngineSettings:
    """A batch engine.

    Attributes:
        kind: The name of the plug-in, such as ``slurm``.
        settings: Its own table.
        poll_interval_seconds: None: as for the portal.
        near: How the locations of datafiles begin that lie close to its nodes.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    poll_interval_seconds: float | None = None
    near: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortalSettings:
    """What ``[portal]`` and ``[common]`` say; folders are absolute.

    Attributes:
        facility: Name of the ICAT facility that jobs without data belong to.
        facility_folder: The XML documents, and the programs in ``bin/`` below it.
        work_folder: Job directories, one a job; the batch engine's records are in it too.
        job_environment: Variables that every job gets, over those that the portal sets.
        admins: Users who may see and cancel everybody's jobs.
        service_user: The portal's own account at the catalog, ``authenticator/name``.
        engine: The kind of the default engine, which is also its name.
        engines: More engines by name.
        jobs_per_user: How many unfinished jobs one user may have.
        limits: What else users, groups, job types and investigations may have.
        external_jobs: What is shown of jobs that others gave to the engines; None: nothing.
        retry_memory_mib: The most memory that a retry asks for by itself.
        retry_wall_minutes: The most time that a retry asks for by itself.
        job_reports: Jobs on batch systems tell the portal when they begin and end, so that it need
            not wait for its next poll.
        lost_after_seconds: How long the engine may not know a job before it counts as lost.
        retry_seconds: How long a job's start is tried again before it fails.
        token_grace_seconds: How long an ended job's token can still read.
        trusted_proxies: Whose word is taken for the address that a browser's request comes from.
        single_sign_on: The OpenID provider that browsers are sent to, if there is one.
        monitoring: Whom the portal asks about the hosts, and how often.
    """

    base_folder: Path
    database_url: str
    catalog_url: str
    datastore_url: str
    public_url: str
    facility: str
    facility_folder: Path
    work_folder: Path
    secrets_folder: Path
    engine: str
    engine_settings: Mapping[str, Any] = field(default_factory=dict)
    engine_near: tuple[str, ...] = ()
    engines: Mapping[str, EngineSettings] = field(default_factory=dict)
    job_environment: Mapping[str, str] = field(default_factory=dict)
    service_user: str = "simple/ijp"
    admins: tuple[str, ...] = ("simple/root",)
    jobs_per_user: int = 20_000
    jobs_per_submission: int = 5_000
    limits: Limits = field(default_factory=Limits)
    external_jobs: ExternalSettings | None = None
    retry_memory_mib: int = 65_536
    retry_wall_minutes: int = 7 * 24 * 60
    output_limit_mib: int = 1024
    poll_interval_seconds: float = 5.0
    job_reports: bool = False
    lost_after_seconds: float = 300.0
    retry_seconds: float = 600.0
    token_grace_seconds: float = 30.0
    ca_bundle: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    single_sign_on: SingleSignOnSettings | None = None
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies may go over HTTPS only."""
        return self.public_url.startswith("https:")

    @property
    def programs_folder(self) -> Path:
        """Where a job type's executable is looked for when its path is relative."""
        return self.facility_folder / "bin"

    @property
    def all_engines(self) -> dict[str, EngineSettings]:
        """The engines by name, the default one first."""
        default = EngineSettings(self.engine, self.engine_settings, near=self.engine_near)
        return {self.engine: default, **self.engines}

    def for_others(self, url: str) -> str:
        """A service's address for others: inside this process it is below the public one."""
        parts = urlsplit(url)
        if (parts.hostname or "").endswith(SUFFIX):
            return self.public_url.rstrip("/") + parts.path
        return url


class EngineSettingsSchema(Schema):
    """The keys of ``[portal.engines.NAME]``."""

    class Meta:
        """Unknown keys are faults."""

        unknown = RAISE

    kind = fields.String(required=True, validate=validate.Length(min=1))
    settings = fields.Dict(keys=fields.String(), load_default=dict)
    poll_interval_seconds = fields.Float(
        load_default=None, allow_none=True, validate=validate.Range(min=0.05)
    )
    near = fields.List(fields.String(validate=validate.Length(min=1)), load_default=list)

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> EngineSettings:
        return EngineSettings(**{**data, "near": tuple(data["near"])})


class PortalSettingsSchema(Schema):
    """The keys of ``[portal]`` and those of ``[common]`` that the portal reads."""

    database_url = fields.String(required=True)
    catalog_url = fields.Url(required=True, require_tld=False)
    datastore_url = fields.Url(required=True, require_tld=False)
    public_url = fields.Url(required=True, require_tld=False)
    facility = fields.String(required=True, validate=validate.Length(1, 255))
    facility_folder = fields.String(load_default="facility")
    work_folder = fields.String(load_default="work")
    secrets_folder = fields.String(load_default="secrets")
    engine = fields.String(load_default="local")
    engine_settings = fields.Dict(keys=fields.String(), load_default=dict)
    engine_near = fields.List(fields.String(validate=validate.Length(min=1)), load_default=list)
    engines = fields.Dict(
        keys=fields.String(), values=fields.Nested(EngineSettingsSchema), load_default=dict
    )
    job_environment = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    service_user = fields.String(
        load_default="simple/ijp", validate=validate.Regexp(r"[^/]+/.+", error="write auth/name")
    )
    admins = fields.List(fields.String(), load_default=["simple/root"])
    jobs_per_user = fields.Integer(load_default=20_000, validate=validate.Range(min=1))
    jobs_per_submission = fields.Integer(load_default=5_000, validate=validate.Range(min=1))
    limits = fields.Nested(LimitsSchema, load_default=Limits)
    external_jobs = fields.Nested(ExternalSchema, load_default=None)
    retry_memory_mib = fields.Integer(load_default=65_536, validate=validate.Range(min=1))
    retry_wall_minutes = fields.Integer(load_default=10_080, validate=validate.Range(min=1))
    output_limit_mib = fields.Integer(load_default=1024, validate=validate.Range(min=1))
    poll_interval_seconds = fields.Float(load_default=5.0, validate=validate.Range(min=0.05))
    job_reports = fields.Boolean(load_default=False)
    lost_after_seconds = fields.Float(load_default=300.0, validate=validate.Range(min=0))
    retry_seconds = fields.Float(load_default=600.0, validate=validate.Range(min=0))
    token_grace_seconds = fields.Float(load_default=30.0, validate=validate.Range(min=0))
    ca_bundle = fields.String(load_default=None, allow_none=True)
    trusted_proxies = Networks()
    single_sign_on = fields.Nested(SingleSignOnSchema, load_default=None)
    monitoring = fields.Nested(MonitoringSchema, load_default=MonitoringSettings)


_ENGINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_FOLDERS = ("facility_folder", "work_folder", "secrets_folder")
_LISTS = ("admins", "trusted_proxies", "engine_near")


def read(path: Path) -> PortalSettings:
    """Read the settings file.

    Raises:
        SettingsError: It cannot be read, or something in it is wrong.
    """
    found = reading.read(path, "portal", PortalSettingsSchema, PortalSettings)
    folders: dict[str, Any] = {
        name: (found.base_folder / getattr(found, name)).resolve() for name in _FOLDERS
    }
    _check_names(path, found)
    lists: dict[str, Any] = {name: tuple(getattr(found, name)) for name in _LISTS}
    return replace(found, **lists, **folders)


def _check_names(path: Path, found: PortalSettings) -> None:
    for name in found.engines:
        where = f"{path}: [portal.engines.{name}]"
        if not _ENGINE_NAME.fullmatch(name) or name == BEST:
            raise SettingsError(f"{where} no engine can be called {name!r}: use letters, digits, -")
        if name == found.engine:
            raise SettingsError(f"{where} is the name of the default engine; choose another")
