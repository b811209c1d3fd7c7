"""Deploys the control plane and its queues as their operators do.

moto gets the templates as JSON: its YAML reader misreads the short form `!Condition`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mayfly_cli.templates.reading import check_parameters
from mayfly_cli.templates.translation import Translation, artifact_key, translate
from mayfly_lab.aws.deploy.content import built, packed

ARTIFACTS = "mayfly-lab-artifacts"
"""The bucket for artifacts, as `sam deploy` creates one."""
BUNDLE = "bundle/mayfly-instance.tar.gz"
TOKEN_PARAMETER = "/buildkite/mayfly/agent-token"  # noqa: S105 - the name of a parameter


class StaleBundleError(RuntimeError):
    """The SHA-256 in the template differs from the bundle's: `make bundle` was not run."""


@dataclass(frozen=True, slots=True)
class QueueStack:
    """One queue: its key, and parameters of `stacks/queue.yaml` beyond stack, key and network."""

    key: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The stacks to deploy."""

    root: Path
    """The folder of `template.yaml` and `stacks/`."""
    token: str
    """The Buildkite agent token of the cluster; empty if its parameter exists already."""
    endpoint: str
    """Address of Buildkite's agent API, such as `http://127.0.0.1:8000/v3`."""
    queues: tuple[QueueStack, ...] = ()
    stack: str = "mayfly"
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters of `template.yaml`."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployed stacks."""

    stack: str
    queues: Mapping[str, Mapping[str, Any]]
    """By queue key: the facts that the queue's stack publishes for the control plane."""
    sources: Mapping[str, Path]
    """By logical id: the folder of a function's or layer's code."""


class Deployer:
    """Deploys stacks through AWS's API with an operator's clients."""

    def __init__(
        self, clients: Mapping[str, Any], region: str, vpc: str, subnets: list[str]
    ) -> None:
        self._s3 = clients["s3"]
        self._ssm = clients["ssm"]
        self._cloudformation = clients["cloudformation"]
        self._region = region
        self._vpc = vpc
        self._subnets = subnets

    def control(self, deployment: Deployment) -> Translation:
        """Write the token parameter, as the README says, then deploy `template.yaml`.

        Raises:
            TemplateError: a parameter is not allowed.
            BuildError: a layer cannot be built.
            StaleBundleError: the template names another bundle.
            UnsupportedResourceError: the lab would lose a part of the template.
        """
        name = deployment.parameters.get("TokenParameter", TOKEN_PARAMETER)
        if deployment.token:
            self._ssm.put_parameter(Name=name, Value=deployment.token, Type="SecureString")
        translation = translate(deployment.root / "template.yaml", self._region, ARTIFACTS)
        # The mapping is changed here: as a parameter of the template, only the lab would need it.
        translation.template["Mappings"]["Buildkite"]["Agent"]["Endpoint"] = deployment.endpoint
        self._s3.create_bucket(Bucket=ARTIFACTS)
        self._upload(translation)
        self._create(deployment.stack, translation.template, deployment.parameters)
        return translation

    def queue(self, deployment: Deployment, queue: QueueStack) -> Mapping[str, Any]:
        """Deploy `stacks/queue.yaml` for a queue. Returns the facts that the stack publishes.

        Raises:
            TemplateError: a parameter is not allowed.
            UnsupportedResourceError: the lab would lose a part of the template.
        """
        path = deployment.root / "stacks" / "queue.yaml"
        template = translate(path, self._region, ARTIFACTS).template
        parameters = {
            "ControlStack": deployment.stack,
            "QueueKey": queue.key,
            "VpcId": self._vpc,
            "Subnets": ",".join(self._subnets),
            **queue.parameters,
        }
        self._create(
            f"{deployment.stack}-queue-{queue.key}".replace("_", "-"), template, parameters
        )
        return self.published(deployment.stack, queue.key)

    def published(self, stack: str, key: str) -> Mapping[str, Any]:
        """The facts that a queue's stack publishes for the control plane, from SSM."""
        name = f"/mayfly-infra/{stack}/queues/{key}"
        value = self._ssm.get_parameter(Name=name)["Parameter"]["Value"]
        published: Mapping[str, Any] = json.loads(value)
        return published

    def _upload(self, translation: Translation) -> None:
        for logical_id, folder in translation.sources.items():
            if logical_id == "InstanceLayer":
                content = built(folder, logical_id)
                _require_bundle(translation.template, content)
            else:
                content = packed(folder)
            self._s3.put_object(Bucket=ARTIFACTS, Key=artifact_key(logical_id), Body=content)
        for key, path in translation.nested.items():
            nested = translate(path, self._region, ARTIFACTS).template
            body = json.dumps(nested, default=str).encode()
            self._s3.put_object(Bucket=ARTIFACTS, Key=key, Body=body)

    def _create(
        self, name: str, template: Mapping[str, Any], parameters: Mapping[str, str]
    ) -> None:
        check_parameters(template, parameters)  # moto does not check parameters
        key = f"{name}.json"
        body = json.dumps(template, default=str).encode()
        self._s3.put_object(Bucket=ARTIFACTS, Key=key, Body=body)
        self._cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"https://s3.amazonaws.com/{ARTIFACTS}/{key}",
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )


def _require_bundle(template: Mapping[str, Any], layer: bytes) -> None:
    """Raise StaleBundleError for another SHA-256 than the template's: hosts would refuse it."""
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        digest = hashlib.sha256(archive.read(BUNDLE)).hexdigest()
    if digest not in json.dumps(template["Resources"]["BundleParameter"]):
        raise StaleBundleError("template.yaml names an outdated bundle; run `make bundle`")
