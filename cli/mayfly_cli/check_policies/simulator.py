"""IAM's policy simulator: questions in batches, pages, throttles.

AWS publishes no rate for the simulator. The limit belongs to the account, and other callers need
it, so calls are spaced, and a throttled call waits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.check_policies.question import Answer, Question
from mayfly_cli.ends import BrokenError
from mayfly_cli.one_instance import Clock

SPACE = 0.2
"""Seconds from one call to the next."""
TRIES = 8
MOST_PAGES = 100
_PAGE = 1000
_THROTTLES = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})
_ABOUT_THE_QUESTION = frozenset({"InvalidInput", "PolicyEvaluation", "ValidationError"})


@dataclass(slots=True)
class Simulator:
    """Asks IAM. `iam` is boto3's client, or what behaves as one."""

    iam: Any
    clock: Clock
    _documents: dict[str, str] = field(default_factory=dict)
    """By ARN: the documents of managed policies, each read once."""

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[Question, Answer]]:
        """Each distinct question with its answer, one batch after the other.

        Raises:
            ClientError: IAM refused for a reason that is not in the question.
            BrokenError: IAM throttled too long, or did not answer what it was asked.
        """
        for batch in batches(questions):
            yield from self._batch(batch)

    def _batch(self, batch: Sequence[Question]) -> Iterator[tuple[Question, Answer]]:
        try:
            found = self._asked(batch)
        except ClientError as error:
            if code_of(error) not in _ABOUT_THE_QUESTION:
                raise
            if len(batch) == 1:
                text = str(error.response.get("Error", {}).get("Message", code_of(error)))
                yield batch[0], Answer(refused=text)
                return
            # One action that the simulator does not know, or that needs other resources than the
            # rest, spoils the whole call.
            for each in batch:
                yield from self._batch([each])
            return
        for each in batch:
            if each.action.lower() not in found:
                raise BrokenError(f"IAM did not answer about {each.action} on {each.resource}")
            yield each, found[each.action.lower()]

    def _asked(self, batch: Sequence[Question]) -> dict[str, Answer]:
        """By action in lower case: IAM's answers to a batch."""
        request = self._request(batch)
        operation = "simulate_principal_policy" if batch[0].role else "simulate_custom_policy"
        found: dict[str, Answer] = {}
        for _ in range(MOST_PAGES):
            page = self._call(operation, request)
            for result in page["EvaluationResults"]:
                found[result["EvalActionName"].lower()] = _answer(result, batch[0].resource)
            if not page.get("IsTruncated"):
                return found
            request = {**request, "Marker": page["Marker"]}
        raise BrokenError(f"IAM answered more than {MOST_PAGES} pages to one question")

    def _request(self, batch: Sequence[Question]) -> dict[str, Any]:
        first = batch[0]
        documents = [self._document(arn) for arn in first.policies]
        return {
            **({"PolicySourceArn": first.role} if first.role else {}),
            **({"PolicyInputList": documents} if documents else {}),
            **({"PermissionsBoundaryPolicyInputList": [first.boundary]} if first.boundary else {}),
            "ActionNames": [each.action for each in batch],
            "ResourceArns": [first.resource],
            "ContextEntries": [
                {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": list(values)}
                for key, kind, values in first.context
            ],
            "MaxItems": _PAGE,
        }

    def _document(self, arn: str) -> str:
        if arn not in self._documents:
            policy = self._call("get_policy", {"PolicyArn": arn})["Policy"]
            version = {"PolicyArn": arn, "VersionId": policy["DefaultVersionId"]}
            found = self._call("get_policy_version", version)["PolicyVersion"]["Document"]
            self._documents[arn] = found if isinstance(found, str) else json.dumps(found)
        return self._documents[arn]

    def _call(self, operation: str, request: Mapping[str, Any]) -> Any:
        for tried in range(TRIES):
            self.clock.sleep(SPACE)
            try:
                return getattr(self.iam, operation)(**request)
            except ClientError as error:
                if code_of(error) not in _THROTTLES:
                    raise
            self.clock.sleep(2.0**tried)
        raise BrokenError(f"IAM throttled {operation} {TRIES} times in a row: try again later")


def batches(questions: Sequence[Question]) -> list[list[Question]]:
    """Distinct questions, those in one batch that differ in their action alone."""
    found: dict[Question, list[Question]] = {}
    for each in dict.fromkeys(questions):
        found.setdefault(replace(each, action=""), []).append(each)
    return list(found.values())


def _answer(result: Mapping[str, Any], resource: str) -> Answer:
    """The answer about the one resource that was asked about.

    Results by resource are there where the action has a type of resource; without one, the result
    is about `*`. Source: IAM API reference, EvaluationResult.
    """
    by_resource = [
        each
        for each in result.get("ResourceSpecificResults", ())
        if each["EvalResourceName"] == resource
    ]
    decided: Mapping[str, Any] = by_resource[0] if by_resource else result
    key = "EvalResourceDecision" if by_resource else "EvalDecision"
    return Answer(
        allowed=decided[key] == "allowed",
        missing=tuple(decided.get("MissingContextValues", ())),
        by=tuple(each.get("SourcePolicyId", "") for each in decided.get("MatchedStatements", ())),
    )
