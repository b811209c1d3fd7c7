"""Uploads and downloads of artifacts at their storage, without any token."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

_TRIES = 10
_DOWNLOAD_TRIES = 5
_PAUSE_SECONDS = 5
_TIMEOUT_SECONDS = 60
_PATH_VARIABLE = "${artifact:path}"
Result = TypeVar("Result")


class StorageError(Exception):
    """The storage refused an upload or a download in every attempt."""


def send_form(instructions: Mapping[str, Any], path: str, content: bytes) -> None:
    """Upload a file as one form.

    Raises:
        StorageError: ten attempts failed.
    """
    action = instructions["action"]
    boundary = uuid.uuid4().hex
    fields = {
        name: value.replace(_PATH_VARIABLE, path) for name, value in instructions["data"].items()
    }
    body = _form(boundary, fields, action["file_input"], path, content)
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    place = urlsplit(action["url"])
    url = f"{place.scheme}://{place.netloc}{action['path']}"
    _patiently(_TRIES, lambda: _call(action["method"], url, body, headers))


def download(artifact: Mapping[str, Any], target: Path) -> None:
    """Download an artifact to `target`.

    Raises:
        StorageError: the artifact is outside Buildkite's storage, or five attempts failed.
    """
    if artifact.get("upload_destination"):
        raise StorageError(
            f"this is a stand-in: it cannot download from {artifact['upload_destination']}"
        )
    content = _patiently(_DOWNLOAD_TRIES, lambda: _call("GET", artifact["url"], None, {}))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _form(boundary: str, fields: Mapping[str, str], name: str, path: str, content: bytes) -> bytes:
    mark = f"--{boundary}\r\n"
    head = "".join(
        f'{mark}Content-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{quoted}"\r\n'
    head += f"{mark}{disposition}Content-Type: application/octet-stream\r\n\r\n"
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def _patiently(tries: int, action: Callable[[], Result]) -> Result:
    try:
        return action()
    except StorageError as error:
        if tries == 1:
            raise
        print(f"{error}; trying again", flush=True)
    time.sleep(_PAUSE_SECONDS)
    return _patiently(tries - 1, action)


def _call(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    place = urlsplit(url)
    secure = place.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(place.netloc, timeout=_TIMEOUT_SECONDS)
    target = f"{place.path}?{place.query}" if place.query else place.path
    try:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise StorageError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise StorageError(f"{content.decode('utf-8', 'replace')[:300]} ({response.status})")
    return content
