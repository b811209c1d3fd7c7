"""Reading of an upload form (multipart/form-data, RFC 7578) with the file as its last part."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from buildkite_emulator.serving.refusals import bad_request

_HEADERS = BytesHeaderParser()


@dataclass(frozen=True, slots=True)
class Form:
    """The fields before the file, and the file; `file` is None for a form without one."""

    fields: dict[str, str]
    file: bytes | None
    file_type: str


def read(content_type: str, body: bytes, file_input: str) -> Form:
    """Read a form. Parts after the file are ignored, as S3 does.

    Raises:
        RefusedError: 400 for a body of another type, or a part without a name.
    """
    given = Message()
    given["content-type"] = content_type
    boundary = given.get_param("boundary")
    if given.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise bad_request("The body must be multipart/form-data")
    fields: dict[str, str] = {}
    mark = b"--" + boundary.encode()
    for part in (b"\r\n" + body).split(b"\r\n" + mark)[1:]:
        if part.startswith(b"--"):
            break
        head, blank, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = _HEADERS.parsebytes(head)
        name = headers.get_param("name", header="content-disposition")
        if not blank or not isinstance(name, str):
            raise bad_request("A part of the form has no name")
        if name == file_input:
            return Form(fields, content, headers.get_content_type())
        fields[name] = content.decode("utf-8", errors="replace")
    return Form(fields, None, "")
