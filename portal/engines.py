"""The batch engines of a portal, by the names that its settings give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import ColumnElement, true

from batch.engine import BatchEngine
from ijp.errors import BadRequestError, EngineError, NotFoundError
from portal.model import JobRow
from portal.settings import EngineSettings, PortalSettings
from servicekit import plugins
from servicekit.plugins import PluginError
from servicekit.settings import SettingsError


class Engines(Mapping[str, BatchEngine]):
    """Engines by name, the default one first."""

    def __init__(self, default_name: str, engines: Mapping[str, BatchEngine]) -> None:
        """Take the engines, among them the one of this name."""
        self.default_name = default_name
        self._engines = dict(engines)

    def __getitem__(self, name: str) -> BatchEngine:
        return self._engines[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._engines)

    def __len__(self) -> int:
        return len(self._engines)

    @property
    def default(self) -> BatchEngine:
        """The engine of jobs that nobody gave another one."""
        return self._engines[self.default_name]

    @property
    def are_several(self) -> bool:
        """Whether there is a choice."""
        return len(self) > 1

    def knows(self, row: JobRow) -> bool:
        """Whether a job's engine is still configured."""
        return not row.engine or row.engine in self

    def of(self, name: str) -> BatchEngine:
        """The engine that a job's row names; "" is the default one.

        Raises:
            NotFoundError: It is not configured any more.
        """
        found = self.get(name or self.default_name)
        if found is None:
            raise NotFoundError(gone(name))
        return found

    def rows_of(self, name: str) -> ColumnElement[bool]:
        """Which jobs are looked after with an engine.

        The default one has those of engines that are not configured any more, too: nobody else
        would look after them.
        """
        if not self.are_several:
            return true()
        if name != self.default_name:
            return JobRow.engine == name
        return JobRow.engine.not_in([one for one in self if one != name])

    def close(self) -> None:
        """Let go of what they hold open; jobs are not touched."""
        for one in self.values():
            one.close()


def gone(name: str) -> str:
    """What is told of jobs whose engine is not configured any more."""
    return f"its batch engine {name!r} is not configured any more"


def make(found: PortalSettings) -> Engines:
    """The engines that the settings name, each with a folder of its own.

    Raises:
        SettingsError: There is no such kind of engine, or a setting of one is wrong; the message
            names the section.
    """
    made = {}
    for name, its in found.all_engines.items():
        is_default = name == found.engine
        folder = found.work_folder / ("engine" if is_default else Path("engines", name))
        section = "portal.engine_settings" if is_default else f"portal.engines.{name}"
        made[name] = _made(its, folder, section)
    return Engines(found.engine, made)


def _made(its: EngineSettings, folder: Path, section: str) -> BatchEngine:
    try:
        kind = plugins.load("ijp.batch_engines", its.kind, BatchEngine)  # type: ignore[type-abstract]
        return kind(its.settings, folder)
    except (PluginError, BadRequestError, EngineError) as error:
        raise SettingsError(f"[{section}] {error}") from error
