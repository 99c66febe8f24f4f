"""A whole portal on a small facility."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.portal_site import Portal, copy, install, running


@pytest.fixture(scope="session")
def installation_to_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation on SQLite that nobody serves."""
    folder = tmp_path_factory.mktemp("to_copy") / "portal"
    install(folder)
    return folder


@pytest.fixture
def make_portal(tmp_path: Path, installation_to_copy: Path) -> Iterator[Callable[..., Portal]]:
    """Makes a portal: ``make_portal(database_url="", dispatcher=True)``."""
    made: list[Portal] = []
    with ExitStack() as stack:

        def make_portal(database_url: str = "", *, dispatcher: bool = True) -> Portal:
            folder = tmp_path / f"portal{len(made)}"
            if database_url:
                install(folder, database_url)
            else:
                copy(installation_to_copy, folder)
            made.append(stack.enter_context(running(folder, dispatcher=dispatcher)))
            return made[-1]

        yield make_portal


@pytest.fixture
def portal(make_portal: Callable[..., Portal]) -> Portal:
    """A portal on SQLite with its dispatcher."""
    return make_portal()


@pytest.fixture
def idle(make_portal: Callable[..., Portal]) -> Portal:
    """A portal without a dispatcher: what is submitted stays as it is."""
    return make_portal(dispatcher=False)
