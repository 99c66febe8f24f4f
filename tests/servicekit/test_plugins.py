"""Plug-ins are found by name and checked before use."""

from __future__ import annotations

import pytest

from servicekit.plugins import PluginError, available, load


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(PluginError, match=r"no ijp\.storages named 'tape'.*local"):
        load("ijp.storages", "tape", object)


def test_wrong_base_class_is_refused() -> None:
    with pytest.raises(PluginError, match="is not a str"):
        load("console_scripts", "ijpd", str)


def test_own_plugins_are_registered_like_anybodys() -> None:
    assert {"anon", "db", "simple"} <= available("ijp.authenticators")
    assert "local" in available("ijp.batch_engines")
