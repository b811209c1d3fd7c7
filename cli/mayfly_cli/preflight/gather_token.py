"""Tries the agent token with each queue, and reads the token's limits with a user's token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mayfly.adapters.buildkite.stacks import stack_key
from mayfly_cli.account import Account
from mayfly_cli.buildkite import Answer, Api
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.ends import BrokenError
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight.snapshot import Cluster, TokenLimits
from mayfly_protocol.moments import read_moment


def published(account: Account, stack: str) -> tuple[str, ...] | Unknown:
    """Keys of the queues that the deployed stack serves; empty before the first deployment."""
    path = f"/mayfly-infra/{stack}/queues/"
    found = account.ask("ssm", "get_parameters_by_path", Path=path, Recursive=True)
    if isinstance(found, Unknown):
        return found
    return tuple(sorted(each["Name"].removeprefix(path) for each in found["Parameters"]))


def tries(
    api: Api, account: Account, stack: str, queues: Iterable[str]
) -> Mapping[str, str | Unknown]:
    """Buildkite's refusal of the token by queue; empty for a queue that the token may serve.

    Registers a stack for each queue and lists the queue, as `dispatch` does, under a key of its
    own, and takes the stack away again: no call without a stack shows the token's rights.
    """
    key = stack_key(account.id, account.region, f"preflight-{stack}")
    registered = False
    found: dict[str, str | Unknown] = {}
    try:
        for queue in queues:
            body = {"key": key, "type": "custom", "queue_key": queue, "metadata": {}}
            answer = _call(api, "POST", "/stacks/register", body)
            if not isinstance(answer, Unknown) and answer.ok:
                registered = True
                answer = _call(
                    api, "GET", f"/stacks/{key}/scheduled-jobs?queue_key={queue}&limit=1"
                )
            found[queue] = _refusal(answer)
    finally:
        if registered:
            _call(api, "POST", f"/stacks/{key}/deregister")
    return found


def limits(rest: Api | None, where: Cluster) -> TokenLimits | Unknown:
    """The token's expiry and allowed addresses, which Buildkite tells to users' tokens alone.

    Source: buildkite/docs pages/apis/rest_api/clusters/agent_tokens.md.
    """
    if rest is None:
        return Unknown(f"set {API_TOKEN} (scope read_clusters) to see its expiry and addresses")
    path = f"/organizations/{where.organization}/clusters/{where.id}/tokens/{where.token}"
    answer = _call(rest, "GET", path)
    if isinstance(answer, Unknown):
        return answer
    if not answer.ok or not isinstance(answer.content, dict):
        return Unknown(f"the look-up of the token with {API_TOKEN} answered {answer.message}")
    expires, addresses = (
        answer.content.get(name) for name in ("expires_at", "allowed_ip_addresses")
    )
    try:
        return TokenLimits(
            read_moment(expires) if expires else None, tuple((addresses or "").split())
        )
    except (AttributeError, TypeError, ValueError) as error:
        return Unknown(f"Buildkite's answer about the token cannot be read: {error}")


def _refusal(answer: Answer | Unknown) -> str | Unknown:
    if isinstance(answer, Unknown):
        return answer
    if answer.status == 429 or answer.status >= 500:
        return Unknown(f"Buildkite answered {answer.message}")
    return "" if answer.ok else answer.message


def _call(api: Api, method: str, path: str, body: object = None) -> Answer | Unknown:
    try:
        return api.call(method, path, body)
    except BrokenError as error:
        return Unknown(str(error))
