"""Fixtures of the product's contract suites, for the adapters that need the lab."""

from __future__ import annotations

from tests.contract.conftest import aws, client_of, table_definitions

__all__ = ["aws", "client_of", "table_definitions"]
