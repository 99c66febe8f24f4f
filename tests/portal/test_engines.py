"""The engines that the settings name."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session

from ijp.errors import NotFoundError
from portal import engines, installation, settings
from portal.engines import Engines
from portal.model import Base, JobRow, Submission
from portal.moments import now
from servicekit.settings import SettingsError


@pytest.fixture
def settings_file(tmp_path):
    return installation.make(tmp_path / "one", slots=3).settings_file


def with_engines(settings_file, text):
    settings_file.write_text(f"{settings_file.read_text()}\n{text}\n")
    return settings_file


def test_one_engine_is_as_it_was(settings_file):
    found = settings.read(settings_file)
    made = engines.make(found)
    assert list(made) == ["local"]
    assert (made.default_name, made.are_several) == ("local", False)
    assert made.default is made["local"] is made.of("") is made.of("local")
    assert (found.work_folder / "engine").is_dir()
    made.close()


def test_more_engines_have_their_own_kinds_settings_and_folders(settings_file):
    text = '[portal.engines.big]\nkind = "local"\npoll_interval_seconds = 2\nnear = ["big/"]\n'
    with_engines(settings_file, text + "[portal.engines.big.settings]\nslots = 7\n")
    found = settings.read(settings_file)
    made = engines.make(found)
    assert list(made) == ["local", "big"]
    assert [one.slots for name in made for one in made[name].nodes()] == [3, 7]
    assert (found.work_folder / "engines" / "big").is_dir()
    its = found.all_engines["big"]
    assert (its.poll_interval_seconds, its.near) == (2.0, ("big/",))
    made.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[portal.engines.big]\nkind = "pigeon"',
            "[portal.engines.big] no ijp.batch_engines",
        ),
        (
            '[portal.engines.big]\nkind = "local"\n[portal.engines.big.settings]\nslotz = 1',
            "[portal.engines.big] the local engine's settings: unknown setting 'slotz'",
        ),
        (
            '[portal.engines.big]\nkind = "slurm"',
            "[portal.engines.big]",
        ),
        ("[portal.engines.big]\nslots = 1", "[portal] engines: big: "),
        ('[portal.engines.local]\nkind = "slurm"', "[portal.engines.local] is the name of the de"),
        ('[portal.engines.best]\nkind = "local"', "no engine can be called 'best'"),
        ('[portal.engines."a b"]\nkind = "local"', "no engine can be called 'a b'"),
        ('[portal.engines.""]\nkind = "local"', "no engine can be called ''"),
        ("[portal]\n", "not TOML"),
    ],
)
def test_faults_name_the_section(settings_file, text, words):
    with_engines(settings_file, text)
    with pytest.raises(SettingsError, match=re.escape(words)):
        engines.make(settings.read(settings_file))


def test_faults_of_the_default_engine_name_its_section(settings_file):
    text = settings_file.read_text().replace('"slots" = 3', '"slots" = 0')
    assert '"slots" = 0' in text
    settings_file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape("[portal.engine_settings] the local engine")):
        engines.make(settings.read(settings_file))


class Nothing:
    """Stands for an engine where only its name matters."""


@pytest.mark.parametrize(
    ("names", "mine"),
    [
        (["local"], {"local": ["", "local", "big", "gone"]}),
        (["local", "big"], {"local": ["", "local", "gone"], "big": ["big"]}),
    ],
)
def test_each_job_is_looked_after_with_one_engine(names, mine):
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    plain = {"user_name": "ana", "name": "x", "job_type": "t", "job_type_version": "v"}
    plain |= {"creates_provenance": False, "state": "Queued", "submitted_at": now()}
    lists = ("program", "arguments", "wants", "raw_arguments", "dataset_ids", "datafile_ids")
    plain |= {name: [] for name in lists}
    plain |= {"options": {}, "resources": {}, "submission_id": 1}
    found = Engines("local", {name: Nothing() for name in names})
    with Session(database) as transaction:
        transaction.execute(
            insert(Submission).values(
                id=1, user_name="ana", key="k", content_hash="x", created_at=now()
            )
        )
        for name in ("", "local", "big", "gone"):
            values = {**plain, "engine": name, "public_id": name}
            transaction.execute(insert(JobRow).values(**values))
        for name, expected in mine.items():
            query = select(JobRow.engine).where(found.rows_of(name)).order_by(JobRow.id)
            assert transaction.scalars(query).all() == expected
    database.dispose()


def test_engine_that_is_not_configured_any_more_is_named():
    found = Engines("local", {"local": Nothing()})
    with pytest.raises(NotFoundError, match="'gone' is not configured any more"):
        found.of("gone")
    assert [found.knows(JobRow(engine=name)) for name in ("", "local", "gone")] == [1, 1, 0]
