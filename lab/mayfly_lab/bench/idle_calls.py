"""Counts calls and costs of an idle control plane in the lab.

    python -m mayfly_lab.bench.idle_calls [SECONDS]

One queue, no job, no pool. Prices (`mayfly_lab.bench.prices`) cover DynamoDB calls, and Lambda for
dispatch all day.
"""

from __future__ import annotations

import sys
import time

import click

from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.bench import prices
from mayfly_lab.lab import Lab, LabChoices

SETTLED = 10.0
"""Seconds to wait after the start: the first ticks configure the queue."""


@click.command()
@click.argument("seconds", default=60.0, type=click.FloatRange(0, min_open=True))
def main(seconds: float) -> None:
    """Count calls for SECONDS (default 60), and print their rates and monthly prices."""
    with Lab(LabChoices()) as lab:
        time.sleep(SETTLED)
        began = time.time()
        time.sleep(seconds)
        calls = [e for e in lab.aws.journal if e.kind == "function" and e.at >= began]
    sys.stdout.write("\n".join(report(calls, seconds)) + "\n")


def report(calls: list[Entry], seconds: float) -> list[str]:
    """Lines with each operation's rate per second and monthly price, then the totals."""
    counted: dict[tuple[str, str, str], list[Entry]] = {}
    for call in calls:
        counted.setdefault((call.principal, call.service, call.operation), []).append(call)
    factor = prices.MONTH / seconds
    lines, total = [], 0.0
    for (principal, service, operation), alike in sorted(counted.items()):
        price, number = factor * prices.of_calls(alike), len(alike)
        total += price
        name = principal.rpartition(":")[2]
        lines.append(
            f"{name:<22} {service}:{operation:<40} {number / seconds:7.2f}/s  ${price:6.2f}"
        )
    lines.append(f"DynamoDB per month: ${total:.2f}")
    lines.append(f"dispatch all day, per month: ${prices.MONTH * prices.LAMBDA_SECOND:.2f}")
    return lines


if __name__ == "__main__":
    main()
