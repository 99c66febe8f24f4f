"""A catalog of its own for each test, on both databases."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, text
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from catalog import app as catalog_app
from catalog import settings
from servicekit import database

_HASH = {name: generate_password_hash(f"{name}-pass", "pbkdf2:sha1:1") for name in ("root", "ana")}


@dataclass
class Rest:
    """A REST client for one session; without a session id it sends none."""

    http: FlaskClient
    session_id: str | None = None

    def call(self, method: str, path: str, **arguments: Any) -> TestResponse:
        """Make a call, the session in the header."""
        headers = {"Authorization": f"Bearer {self.session_id}"} if self.session_id else {}
        headers |= arguments.pop("headers", {})
        return self.http.open("/icat" + path, method=method, headers=headers, **arguments)

    def login(self, plugin: str, **credentials: str) -> Rest:
        """The same for a new session."""
        pairs = [{name: value} for name, value in credentials.items()]
        form = {"json": json.dumps({"plugin": plugin, "credentials": pairs})}
        answer = self.http.post("/icat/session", data=form)
        assert answer.status_code == 200, answer.text
        return Rest(self.http, answer.json["sessionId"])

    def post(self, items: Any) -> TestResponse:
        """Write entities; items that are text are sent as they are."""
        text = items if isinstance(items, str) else json.dumps(items)
        return self.call("POST", "/entityManager", data={"entities": text})

    def write(self, *items: Any) -> list[int]:
        """Write entities that must be accepted."""
        answer = self.post(list(items))
        assert answer.status_code == 200, answer.text
        return list(answer.json)

    def create(self, entity: str, **values: Any) -> int:
        """Create one entity."""
        return self.write({entity: values})[0]

    def delete(self, items: Any) -> TestResponse:
        """Delete entities."""
        return self.call("DELETE", "/entityManager", query_string={"entities": json.dumps(items)})

    def search(self, query: str) -> Any:
        """The rows of a query that must be answered."""
        answer = self.call("GET", "/entityManager", query_string={"query": query})
        assert answer.status_code == 200, answer.text
        return answer.json

    def get(self, query: str, id: int) -> Any:
        """The one entity, without its name."""
        answer = self.call("GET", "/entityManager", query_string={"query": query, "id": id})
        assert answer.status_code == 200, answer.text
        ((_, body),) = answer.json.items()
        return body


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Makes databases to copy, which have the tables already: one of each kind, when needed."""
    folder = tmp_path_factory.mktemp("template")

    @cache
    def template(kind: str, server: str) -> str:
        url = f"{server}/template_catalog" if server else f"sqlite:///{folder}/catalog.db"
        if server:
            _administer(server, "CREATE DATABASE template_catalog")
        engine = database.engine_for(url, "catalog")
        database.upgrade(engine, "catalog")
        engine.dispose()
        return "template_catalog" if server else f"{folder}/catalog.db"

    return template


def _administer(server: str, statement: str) -> None:
    admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(statement))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(
    request: pytest.FixtureRequest, template: Callable[[str, str], str], tmp_path: Path
) -> Iterator[str]:
    """The URL of a fresh database of each kind with the catalog's tables, as in the settings."""
    if request.param == "sqlite":
        shutil.copyfile(template("sqlite", ""), tmp_path / "catalog.db")
        yield f"sqlite:///{tmp_path}/{{service}}.db"
        return
    server = str(request.getfixturevalue("postgresql_server"))
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template('postgresql', server)}")
    yield f"{server}/{name}"
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine_of(migrated_url: str) -> Iterator[Callable[[str], Engine]]:
    """Gives the catalog's engine: ``engine_of("catalog")``."""
    engine = database.engine_for(migrated_url, "catalog")
    yield {"catalog": engine}.__getitem__
    engine.dispose()


@pytest.fixture
def settings_file(migrated_url: str, tmp_path: Path) -> Path:
    """Settings for a fresh database; users root (a root user) and ana, anon, and none in db."""
    users = tmp_path / "users.toml"
    users.write_text("".join(f'{name} = "{hash}"\n' for name, hash in _HASH.items()))
    users.chmod(0o600)
    path = tmp_path / "ijp.toml"
    path.write_text(
        f"""
[common]
database_url = "{migrated_url}"
[catalog]
root_users = ["simple/root"]
simple_users_file = "users.toml"
max_entities = 1000
allowed_origins = ["https://portal.example.org"]
"""
    )
    return path


@pytest.fixture
def app(settings_file: Path) -> Iterator[Flask]:
    """The catalog's application."""
    made = catalog_app.app_for(settings.read(settings_file))
    engine = made.extensions["catalog"].transactions.engine
    yield made
    engine.dispose()


@pytest.fixture
def rest(app: Flask) -> Rest:
    """A client without a session."""
    return Rest(app.test_client())


@pytest.fixture
def root(rest: Rest) -> Rest:
    """A client that may do everything."""
    return rest.login("simple", username="root", password="root-pass")


@pytest.fixture
def ana(rest: Rest) -> Rest:
    """A client that may do what rules allow."""
    return rest.login("simple", username="ana", password="ana-pass")


@pytest.fixture
def places(root: Rest) -> dict[str, int]:
    """What datasets need: ids of a facility, an investigation, a dataset type, parameter types."""
    facility = root.create("Facility", name="F")
    here = {"facility": {"id": facility}}
    kind = root.create("InvestigationType", name="experiment", **here)
    investigation = root.create(
        "Investigation", name="I", visitId="1", title="t", type={"id": kind}, **here
    )
    own = {"applicableToDataset": True, **here}
    number, text = root.write(
        {"ParameterType": {"name": "size", "units": "px", "valueType": "NUMERIC", **own}},
        {"ParameterType": {"name": "kind", "units": "none", "valueType": "STRING", **own}},
    )
    return {
        "facility": facility,
        "investigation": investigation,
        "dataset_type": root.create("DatasetType", name="raw", **here),
        "number": number,
        "text": text,
    }


@pytest.fixture
def dataset_body(places: dict[str, int]) -> Callable[..., dict[str, Any]]:
    """Makes the values of a dataset as they are sent."""

    def dataset_body(name: str | None, /, **values: Any) -> dict[str, Any]:
        return {
            "name": name,
            "investigation": {"id": places["investigation"]},
            "type": {"id": places["dataset_type"]},
            **values,
        }

    return dataset_body


@pytest.fixture
def make_dataset(root: Rest, dataset_body: Callable[..., dict[str, Any]]) -> Callable[..., int]:
    """Makes a dataset; its id."""

    def make_dataset(name: str, /, **values: Any) -> int:
        return root.create("Dataset", **dataset_body(name, **values))

    return make_dataset


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine on a catalog's tables that all tests of a module share."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('catalog')}/{{service}}.db"
    else:
        server = request.getfixturevalue("postgresql_server")
        name = f"module_{uuid.uuid4().hex[:12]}"
        admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        url = f"{server}/{name}"
    engine = database.engine_for(url, "catalog")
    database.upgrade(engine, "catalog")
    yield engine
    engine.dispose()
