"""Quotas in the lab: moto has those of few services, and no settings of Lambda's account."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.front.call import Call, Refusal

VCPUS = 640
"""vCPUs of each quota of EC2 instances. A new account has fewer, such as 5."""
CONCURRENCY = 1000
"""Lambda invocations at once, the default of an account that is not new."""


def operations() -> Mapping[str, Callable[[Call], Answer]]:
    """By action: the operations that the front door answers itself."""
    return {
        "servicequotas:GetServiceQuota": service_quota,
        "lambda:GetAccountSettings": account_settings,
    }


def service_quota(call: Call) -> Answer:
    """Answer of GetServiceQuota, for the quotas of EC2 alone."""
    service, code = (str(call.parameters.get(each)) for each in ("ServiceCode", "QuotaCode"))
    if service != "ec2":
        raise Refusal("NoSuchResourceException", f"the lab has no quota of {service}", 400)
    quota = {"ServiceCode": service, "QuotaCode": code, "Value": VCPUS, "Unit": "None"}
    body = json.dumps({"Quota": quota}).encode()
    return Answer(200, body, {"content-type": "application/x-amz-json-1.1"})


def account_settings(call: Call) -> Answer:
    """Answer of GetAccountSettings. No function of the lab has a reserved concurrency."""
    del call
    limit = {"ConcurrentExecutions": CONCURRENCY, "UnreservedConcurrentExecutions": CONCURRENCY}
    body = json.dumps({"AccountLimit": limit, "AccountUsage": {}}).encode()
    return Answer(200, body, {"content-type": "application/json"})
