"""Principals of the local AWS besides functions and machines."""

from __future__ import annotations

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Kind, Principal

OPERATOR = Principal(
    userid="AIDALABOPERATOR",
    arn=f"arn:aws:iam::{ACCOUNT}:user/operator",
    kind=Kind.OPERATOR,
    name="operator",
)
LAB = Principal(
    userid="AIDALABITSELF",
    arn=f"arn:aws:iam::{ACCOUNT}:user/lab",
    kind=Kind.OPERATOR,
    name="lab",
)
"""The lab itself, for deployments and reports: an operator whose calls no fault strikes."""
