"""Faults that the lab can inject: one table of all of them, and the faults turned on."""

from mayfly_lab.faults.durations import parse_seconds
from mayfly_lab.faults.switches import Fault, FaultRequest, Faults, Options, read
from mayfly_lab.faults.syntax import FaultSyntaxError
from mayfly_lab.faults.table import FOREVER, SWITCHES, Part, Switch

__all__ = [
    "FOREVER",
    "SWITCHES",
    "Fault",
    "FaultRequest",
    "FaultSyntaxError",
    "Faults",
    "Options",
    "Part",
    "Switch",
    "parse_seconds",
    "read",
]
