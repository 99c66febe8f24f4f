"""Settings: common and own table, environment over both, every fault named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from marshmallow import Schema, fields

from servicekit.settings import SettingsError, read


class _Schema(Schema):
    database_url = fields.String(required=True)
    slots = fields.Integer(load_default=2, strict=True)


@dataclass(frozen=True)
class _Settings:
    database_url: str
    slots: int
    base_folder: Path


def write(folder: Path, text: str) -> Path:
    path = folder / "ijp.toml"
    path.write_text(text)
    return path


def test_own_table_goes_over_common_and_environment_over_both(tmp_path: Path) -> None:
    path = write(tmp_path, '[common]\ndatabase_url = "a"\nother = 1\n[portal]\nslots = 3\n')
    found = read(path, "portal", _Schema, _Settings, {"PORTAL__DATABASE_URL": "b"})
    assert found == _Settings("b", 3, tmp_path.resolve())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[portal]\n", "database_url"),
        ('[portal]\ndatabase_url = "a"\ncolour = 1\n', "colour"),
        ('[portal]\ndatabase_url = "a"\nslots = "x"\n', "slots"),
        ("[portal\n", "not TOML"),
    ],
)
def test_every_fault_names_the_file_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match=words) as caught:
        read(path, "portal", _Schema, _Settings, {})
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        read(tmp_path / "none.toml", "portal", _Schema, _Settings, {})
