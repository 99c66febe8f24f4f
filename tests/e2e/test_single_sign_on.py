"""Single sign-on in a real browser, at a provider of another site."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from portal import installation, secret_files
from tests import openid
from tests.portal_site import Portal, install, running


@pytest.fixture
def portal(tmp_path) -> Iterator[Portal]:
    folder = tmp_path / "portal"
    install(folder)
    path = folder / installation.SETTINGS_FILE
    with openid.provider() as issuer:
        text = path.read_text().replace('["simple", "db"]', '["simple", "oidc"]')
        path.write_text(
            f'{text}\n[catalog.authenticator_settings.oidc]\nissuer = "{issuer}"\n'
            f'audiences = ["portal-client"]\n[portal.single_sign_on]\nissuer = "{issuer}"\n'
            'client_id = "portal-client"\nclient_secret_file = "oidc_client"\n'
        )
        secret_files.write(folder / "secrets" / "oidc_client", "secret")
        with running(folder, dispatcher=False) as made:
            yield made


def test_a_user_logs_in_at_the_provider_and_is_back_where_the_link_led(
    portal: Portal, page: Page
) -> None:
    # the provider's page wants its looks from elsewhere
    page.route(re.compile("^https:"), lambda route: route.fulfill(body="", content_type="text/css"))
    page.goto(f"{portal.url}/jobs?state=failed")
    page.get_by_role("link", name="Single sign-on").click()
    page.get_by_role("link", name="Go to log in").click()
    expect(page).to_have_url(re.compile("^http://localhost:"))
    page.locator("input[name=sub]").first.fill("ana")
    page.get_by_role("button", name="Authorize").first.click()
    expect(page).to_have_url(f"{portal.url}/jobs?state=failed")
    expect(page.get_by_text("oidc/ana").first).to_be_attached()
