"""What an idle control plane calls and costs: runs it in the lab and counts.

    python -m tools.idle [SECONDS]

One queue, no job, no pool. Prices are those of us-east-1 in November 2026, for calls alone: Lambda
is reckoned by the time that its functions were busy, at 512 MB on arm64.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping

from mayfly_lab.front.journal import Entry
from mayfly_lab.lab import Lab, LabChoices

MONTH = 30.4 * 24 * 3600
# A query of an index that finds next to nothing is half a read unit, a consistent get is one.
READ_UNITS: Mapping[str, float] = {"Query": 0.5, "GetItem": 1, "BatchGetItem": 1}
# dispatch renews its lease by a transaction or a conditional put of one small row.
WRITE_UNITS: Mapping[str, float] = {"PutItem": 1, "UpdateItem": 1, "TransactWriteItems": 4}
READ_PRICE, WRITE_PRICE = 0.125e-6, 0.625e-6
LAMBDA_PRICE = 0.5 * 0.0000133334
"""USD for a second of a function."""
SETTLED = 10.0
"""Seconds after the start in which the first ticks configure the queue."""


def main() -> None:
    """Count, and print calls a month and their price."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with Lab(LabChoices()) as lab:
        time.sleep(SETTLED)
        began = time.time()
        time.sleep(seconds)
        calls = [e for e in lab.aws.journal if e.kind == "function" and e.at >= began]
    sys.stdout.write("\n".join(report(calls, seconds)) + "\n")


def report(calls: list[Entry], seconds: float) -> list[str]:
    """Lines with each operation's rate and, for DynamoDB, the month's price."""
    counted = Counter((call.principal, call.service, call.operation) for call in calls)
    factor = MONTH / seconds
    lines, total = [], 0.0
    for (principal, service, operation), number in sorted(counted.items()):
        units = READ_UNITS.get(operation, 0) * READ_PRICE
        units += WRITE_UNITS.get(operation, 0) * WRITE_PRICE
        price = number * factor * units if service == "dynamodb" else 0.0
        total += price
        name = principal.rpartition(":")[2]
        lines.append(
            f"{name:<22} {service}:{operation:<40} {number / seconds:7.2f}/s  ${price:6.2f}"
        )
    lines.append(f"DynamoDB, a month: ${total:.2f}")
    lines.append(f"dispatch around the clock, a month: ${MONTH * LAMBDA_PRICE:.2f}")
    return lines


if __name__ == "__main__":
    main()
