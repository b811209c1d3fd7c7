"""Base of the lab's commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from mayfly.errors import Misconfigured
from mayfly_cli.command_line import Command
from mayfly_cli.ends import USAGE


class LabCommand(Command):
    """A command of the lab. A host that cannot run machines ends the command as a usage error."""

    ends: ClassVar[Mapping[type[Exception], int]] = {**Command.ends, Misconfigured: USAGE}
