"""Paste filter in Keystone's place: a request without identity is a member and administrator.

Glance without ``authtoken`` trusts the identity headers, but answers 403 when there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

IDENTITY = {
    "HTTP_X_IDENTITY_STATUS": "Confirmed",
    "HTTP_X_USER_ID": "rig",
    "HTTP_X_PROJECT_ID": "rig",
    "HTTP_X_TENANT_ID": "rig",
    "HTTP_X_ROLES": "admin,member,reader",
}


def factory(
    _global_conf: dict[str, str], **_local_conf: str
) -> Callable[[WSGIApplication], WSGIApplication]:
    def wrap(app: WSGIApplication) -> WSGIApplication:
        def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
                environ.update(IDENTITY)
            return app(environ, start_response)

        return call

    return wrap
