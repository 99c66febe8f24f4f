"""A portal in another process tells the catalog for whom it asks, and is believed if trusted."""

from __future__ import annotations

import pytest

from ijp.catalog import CatalogClient
from ijp.errors import NotAuthenticatedError
from ijp.transport import http_session

pytestmark = pytest.mark.slow


def _guess(catalog: CatalogClient, address: str) -> str:
    credentials = {"username": "ana", "password": "wrong"}
    with pytest.raises(NotAuthenticatedError) as refusal:
        catalog.login("simple", credentials, client_address=address)
    return refusal.value.message


@pytest.mark.parametrize(
    ("trusted", "message"),
    [
        ("127.0.0.1", "The username and password do not match"),
        ("192.0.2.0/24", "too many failed log-ins as simple/ana"),
    ],
)
def test_guesses_of_one_client_keep_others_out_only_where_nobody_is_trusted(
    facility_site, serving, trusted, message
):
    site = facility_site()
    text = site.settings_file.read_text()
    trust = f'[common]\ntrusted_proxies = ["{trusted}"]'
    site.settings_file.write_text(text.replace("[common]", trust))
    with serving(site, "catalog", "datastore") as served, http_session() as http:
        catalog = CatalogClient(f"{served.url}/icat", http)
        for _ in range(8):
            last = _guess(catalog, "198.51.100.1")
        assert last.startswith("too many failed log-ins as simple/ana")
        assert _guess(catalog, "198.51.100.2").startswith(message)
