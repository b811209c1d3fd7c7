"""Reads names, rights, roles and the token from the account. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mayfly.scrubbing import hide
from mayfly_cli.account import Account
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.rights import Rights
from mayfly_cli.preflight.snapshot import Stack, Token

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
_NO_ROLE = ("NoSuchEntity",)


def token(account: Account, name: str) -> tuple[Token | Unknown | None, str]:
    """The token's parameter (None if it does not exist), and its value; empty if unreadable."""
    absent = ("ParameterNotFound",)
    given = account.ask("ssm", "get_parameter", absent, Name=name, WithDecryption=True)
    if isinstance(given, Unknown):
        # A caller who may not decrypt may still see the type, and a deployment needs no more.
        plain = account.ask("ssm", "get_parameter", absent, Name=name)
        if plain is None or isinstance(plain, Unknown):
            return (None if plain is None else given), ""
        kind = plain["Parameter"]["Type"]
        return Token(kind, _key(account, name), given), ""
    if given is None:
        return None, ""
    value: str = given["Parameter"]["Value"]
    hide(value.strip())
    kind = given["Parameter"]["Type"]
    key = _key(account, name) if kind == "SecureString" else ""
    return Token(kind, key, _problem(value)), value.strip()


def token_shown(account: Account, name: str) -> Token | Unknown | None:
    """The token's parameter without its value, which only DescribeParameters shows to everybody."""
    shown = _described(account, name)
    if shown is None or isinstance(shown, Unknown):
        return shown
    kind = str(shown["Type"])
    key = _key(account, name) if kind == "SecureString" else ""
    return Token(kind, key, Unknown("its value was not asked for"))


def _problem(value: str) -> str:
    if not value.strip():
        return "the token is empty"
    if value != value.strip():
        return "the token begins or ends with white space"
    prefix, underscore, _ = value.partition("_")
    if underscore and prefix.startswith("bk") and prefix not in {"bkct", "bkar"}:
        return f"a token of another kind ({prefix}_…); an agent token begins with bkct_"
    return ""


def _key(account: Account, name: str) -> str | Unknown:
    """ARN of the customer's KMS key, which `dispatch` needs a right for; empty for AWS's key."""
    shown = _described(account, name)
    if isinstance(shown, Unknown):
        return shown
    key_id = shown.get("KeyId") if shown is not None else None
    if key_id is None or key_id == "alias/aws/ssm":
        return ""
    key = account.ask("kms", "describe_key", KeyId=key_id)
    if isinstance(key, Unknown):
        return key
    metadata = key["KeyMetadata"]
    return "" if metadata.get("KeyManager") == "AWS" else str(metadata["Arn"])


def _described(account: Account, name: str) -> Any:
    """What DescribeParameters shows of the parameter; None for no such parameter, or Unknown."""
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    found = account.ask("ssm", "describe_parameters", ParameterFilters=filters)
    return found if isinstance(found, Unknown) else next(iter(found["Parameters"]), None)


def roles(account: Account, names: tuple[str, ...]) -> dict[str, bool | Unknown]:
    """By role name: whether the role exists, or Unknown."""
    seen = {name: account.ask("iam", "get_role", _NO_ROLE, RoleName=name) for name in names}
    return {
        name: role if isinstance(role, Unknown) else role is not None for name, role in seen.items()
    }


def stack(account: Account, name: str) -> Stack | Unknown | None:
    """The CloudFormation stack of this name; None if it does not exist."""
    # CloudFormation answers ValidationError for a stack that does not exist.
    found = account.ask("cloudformation", "describe_stacks", ("ValidationError",), StackName=name)
    if found is None or isinstance(found, Unknown):
        return found
    return Stack(found["Stacks"][0]["StackStatus"])


def taken(account: Account, answers: Answers) -> tuple[str, ...] | Unknown:
    """Names that the stack needs and that other resources have, as `table mayfly-fleet`."""
    found = []
    for kind, name, seen in _names(account, answers):
        if isinstance(seen, Unknown):
            return seen
        if seen:
            found.append(f"{kind} {name}")
    return tuple(found)


def _names(account: Account, answers: Answers) -> Iterator[tuple[str, str, Any]]:
    own = answers.stack
    for table in (f"{own}-fleet", f"{own}-mailbox"):
        missing = ("ResourceNotFoundException",)
        yield "table", table, account.ask("dynamodb", "describe_table", missing, TableName=table)
    groups = [f"/aws/lambda/{own}-{each}" for each in FUNCTIONS] + [f"/mayfly/{own}/last-words"]
    for group in groups:
        seen = account.ask("logs", "describe_log_groups", logGroupNamePrefix=group)
        if not isinstance(seen, Unknown):
            seen = any(each["logGroupName"] == group for each in seen["logGroups"])
        yield "log group", group, seen
    for each in FUNCTIONS:
        name = f"{own}-{each}"
        missing = ("ResourceNotFoundException",)
        yield "function", name, account.ask("lambda", "get_function", missing, FunctionName=name)
    path = f"/mayfly-infra/{own}"
    seen = account.ask("ssm", "get_parameters_by_path", Path=path, Recursive=True)
    yield "parameters", path, seen if isinstance(seen, Unknown) else seen["Parameters"]
    if answers.queue:
        name = answers.sandbox_role
        yield "role", name, account.ask("iam", "get_role", _NO_ROLE, RoleName=name)


def denied(account: Account, rights: Rights) -> tuple[str, ...] | Unknown:
    """Actions of `rights` that IAM's policy simulator denies the caller; () for root."""
    who = principal(account)
    if isinstance(who, Unknown):
        return who
    if who.endswith(":root"):
        return ()
    names = sorted(rights.create | rights.later)
    seen = account.ask("iam", "simulate_principal_policy", PolicySourceArn=who, ActionNames=names)
    if isinstance(seen, Unknown):
        return seen
    results = seen["EvaluationResults"]
    return tuple(each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed")


def concurrency(account: Account) -> int | Unknown:
    """Lambda invocations at once in the account and region, without reserved ones."""
    seen = account.ask("lambda", "get_account_settings")
    if isinstance(seen, Unknown):
        return seen
    return int(seen["AccountLimit"]["UnreservedConcurrentExecutions"])


def principal(account: Account) -> str | Unknown:
    """ARN of the caller's user or role: the simulator takes no session, only its role."""
    kind, *rest = account.caller.rpartition(":")[2].split("/")
    if kind != "assumed-role":
        return account.caller
    role = account.ask("iam", "get_role", RoleName=rest[0])
    return role if isinstance(role, Unknown) else str(role["Role"]["Arn"])
