"""Which requests the page's server answers: those of its own page, in a browser of this machine.

A page of another site can make a browser send requests to loopback. `Host` is then a name of that
site that resolves to 127.0.0.1 (DNS rebinding), or `Origin` is the other page (a cross-site post).
"""

from __future__ import annotations

from collections.abc import Mapping

SAFE = frozenset({"GET", "HEAD"})


def refusal(method: str, headers: Mapping[str, str], port: int) -> str | None:
    """Why a request is refused; None for one of the page's own.

    A request that changes something must name the page as its origin and carry JSON, which no form
    of another site can send without asking first.
    """
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    host = headers.get("Host", "")
    if host not in own:
        return "Host is not this server's address"
    if headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return "another site sent the request"
    if method in SAFE:
        return None
    if headers.get("Origin") != f"http://{host}":
        return "Origin is not this page"
    if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return "the content is not JSON"
    return None
