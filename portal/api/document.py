"""The OpenAPI document of ``/api/v1`` and its pages, served from here without inline scripts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response
from flask_smorest import Api
from swagger_ui_bundle import swagger_ui_path

from portal.api.blueprint import URL_PREFIX, ApiBlueprint, Ids

_FILES = "/api/docs/files"
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Interface of the job portal</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/assets/-/mark.svg">
<link rel="stylesheet" href="{_FILES}/swagger-ui.css">
<link rel="stylesheet" href="/assets/-/api_docs.css">
</head>
<body>
<main id="swagger-ui"></main>
<script src="{_FILES}/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
_START = f"""window.addEventListener("load", function () {{
  window.ui = SwaggerUIBundle({{url: "{URL_PREFIX}/openapi.json", dom_id: "#swagger-ui"}});
}});
"""
# the bundle sets style attributes and shows small images from data URLs
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'"
)

pages = Blueprint("documentation", __name__, static_folder=swagger_ui_path, static_url_path=_FILES)


@pages.route("/api/docs")
def docs() -> Response:
    """The interface's documentation, where calls can be tried."""
    response = Response(_PAGE, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@pages.route("/api/docs/start.js")
def start() -> Response:
    """What puts the documentation into its page."""
    return Response(_START, mimetype="text/javascript")


def install(app: Flask, parts: list[ApiBlueprint], version: str) -> None:
    """Register the parts and serve their common document."""
    app.config.update(
        API_TITLE="Job portal",
        API_VERSION=version,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX=URL_PREFIX,
        OPENAPI_JSON_PATH="openapi.json",
    )
    schemes: dict[str, Any] = {
        "session": {
            "type": "http",
            "scheme": "bearer",
            "description": "The session id that POST /session gives; for /capsule a job's token.",
        }
    }
    api = Api(
        app,
        spec_kwargs={
            "components": {"securitySchemes": schemes},
            "security": [{"session": []}],
            "info": {"description": "Find data, run jobs on them, follow what became of them."},
        },
    )
    api.register_field(Ids, "string", None)
    for part in parts:
        api.register_blueprint(part)
    app.register_blueprint(pages)
