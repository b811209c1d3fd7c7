"""Runs check-policies: reads the deployment, asks IAM about every case, prints the verdicts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from mayfly_cli.account import Account, is_refusal, open_account
from mayfly_cli.check_policies.cases import Case, Table, filled, table
from mayfly_cli.check_policies.deployment import Deployment, deployment
from mayfly_cli.check_policies.policy import policy
from mayfly_cli.check_policies.question import CannotAsk, Question, question
from mayfly_cli.check_policies.simulator import Simulator
from mayfly_cli.check_policies.verdicts import Verdict, Word, passed, summary, verdict
from mayfly_cli.ends import WELL, WRONG, BrokenError
from mayfly_cli.one_instance import Clock


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    stack: str
    queue: str
    policy: bool
    region: str | None


def run(options: Options) -> int:
    """Run the check. Returns the exit status.

    Raises:
        UsageError: the account cannot be opened, or the deployment cannot be read.
        BrokenError: IAM did not answer.
    """
    if options.policy:
        sys.stdout.write(json.dumps(policy(stack=options.stack), indent=2) + "\n")
        return WELL
    account = open_account(options.region)
    return check(account, options.stack, options.queue, Clock())


def check(account: Account, stack: str, queue: str, clock: Clock) -> int:
    """Ask about every case, and print a line for each. Returns the exit status.

    Raises:
        UsageError: the deployment cannot be read.
        BrokenError: IAM did not answer.
    """
    deployed = deployment(account, stack, queue)
    found: list[Verdict] = []
    try:
        for each in verdicts(table(), deployed, Simulator(account.client("iam"), clock)):
            sys.stdout.write(f"{each.line}\n")
            found.append(each)
    except ClientError as error:
        text = f"the caller may not iam:{error.operation_name}: see --policy"
        raise BrokenError(text if is_refusal(error) else str(error)) from error
    except BotoCoreError as error:
        raise BrokenError(str(error)) from error
    sys.stdout.write(f"{summary(found)}\n")
    return WELL if passed(found) else WRONG


def verdicts(cases: Table, deployed: Deployment, simulator: Simulator) -> Iterator[Verdict]:
    """The verdict on each case: first those that cannot be asked about, then batch by batch."""
    asked: dict[Question, list[Case]] = {}
    for each in cases.cases:
        case = replace(each, says=filled(each.says, deployed.names))
        try:
            found = question(case, cases.principals[case.who], deployed)
        except CannotAsk as error:
            yield Verdict(case, Word.NOT_JUDGED, str(error))
        else:
            asked.setdefault(found, []).append(case)
    for what, answer in simulator.answers(list(asked)):
        for case in asked[what]:
            yield verdict(case, what, answer)
