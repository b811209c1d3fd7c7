"""Resolves the intrinsic functions of a translated template, as CloudFormation does for one stack.

Values that only AWS knows (an id, the suffix of an ARN) become fixed, invented values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mayfly_cli.templates.reading import is_list

ACCOUNT = "123456789012"
REGION = "eu-west-1"

_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_REFERENCE = re.compile(r"\{\{resolve:([^:}]+):([^:}]+)\}\}")
_STACKS = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack"
_NO_VALUE = object()


class Deployment:
    """One template with its parameter values; `resources` are those that AWS would create.

    `stored` has the values of SSM parameters, by name, for the template's dynamic references.
    """

    def __init__(
        self,
        template: Mapping[str, Any],
        stack: str,
        parameters: Mapping[str, str],
        stored: Mapping[str, str] | None = None,
    ) -> None:
        declared = template.get("Parameters", {})
        unknown = parameters.keys() - declared.keys()
        if unknown:
            raise KeyError(f"unknown parameters: {sorted(unknown)}")
        self._template = template
        self._stack = stack
        self._stored = stored or {}
        self._parameters = {
            name: self._parameter(parameter, parameters.get(name, parameter.get("Default")))
            for name, parameter in declared.items()
        }
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": lambda arg: self(substituted(arg, self)),
            "Fn::Join": lambda arg: str(self(arg[0])).join(map(str, self(arg[1]))),
            "Fn::Split": lambda arg: str(self(arg[1])).split(arg[0]),
            "Fn::Select": lambda arg: self(arg[1])[int(self(arg[0]))],
            "Fn::If": lambda arg: self(arg[1] if self.condition(arg[0]) else arg[2]),
            "Fn::Equals": lambda arg: self(arg[0]) == self(arg[1]),
            "Fn::Not": lambda arg: not self(arg[0]),
            "Fn::And": lambda arg: all(self(each) for each in arg),
            "Fn::Or": lambda arg: any(self(each) for each in arg),
            "Condition": self.condition,
            "Fn::FindInMap": lambda arg: self._template["Mappings"][arg[0]][arg[1]][arg[2]],
            "Fn::Base64": self,
        }

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """By logical id: type and resolved properties; without resources of a false condition."""
        return {
            name: {"Type": resource["Type"], "Properties": self(resource.get("Properties", {}))}
            for name, resource in self._template["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    @property
    def published(self) -> dict[str, str]:
        """By name: the values of the stack's SSM parameters, which another stack may refer to."""
        parameters = (r for r in self.resources.values() if r["Type"] == "AWS::SSM::Parameter")
        return {each["Properties"]["Name"]: each["Properties"]["Value"] for each in parameters}

    def condition(self, name: str) -> bool:
        """The value of a condition of the template."""
        return bool(self(self._template["Conditions"][name]))

    def __call__(self, value: Any) -> Any:
        """`value` with all its intrinsic functions resolved.

        Raises:
            NotImplementedError: an intrinsic function that Mayfly's templates do not use.
            KeyError: a dynamic reference to a parameter without a value.
        """
        if isinstance(value, str):
            return referenced(value, self._stored.__getitem__)
        if isinstance(value, list):
            return [item for item in map(self, value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise NotImplementedError(name)
        items = ((key, self(item)) for key, item in value.items())
        return {key: item for key, item in items if item is not _NO_VALUE}

    @staticmethod
    def _parameter(declared: Mapping[str, Any], value: str | None) -> str | list[str]:
        if value is None:
            raise KeyError("a parameter without default has no value")
        kind = declared["Type"]
        if kind == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>":
            return "ami-0123456789abcdef0"
        return [item.strip() for item in str(value).split(",")] if is_list(kind) else str(value)

    def _ref(self, name: str) -> Any:
        pseudo: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"{_STACKS}/{self._stack}/00000000-0000-4000-8000-000000000000",
            "AWS::StackName": self._stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self._parameters:
            return self._parameters[name]
        kind = self._template["Resources"][name]["Type"]
        if kind == "AWS::DynamoDB::Table":
            return self(self._template["Resources"][name]["Properties"]["TableName"])
        if kind == "AWS::Lambda::LayerVersion":
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}:1"
        if kind == "AWS::Logs::LogGroup":
            return self(self._template["Resources"][name]["Properties"]["LogGroupName"])
        if kind == "AWS::IAM::OIDCProvider":
            host = self(self._template["Resources"][name]["Properties"]["Url"]).partition("//")[2]
            return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"
        if kind == "AWS::EC2::LaunchTemplate":
            return f"lt-{name.encode().hex()}"
        return name

    def _attribute(self, arg: Any) -> str:
        name, attribute = arg.split(".", 1) if isinstance(arg, str) else arg
        resource = self._template["Resources"][name]
        if attribute == "Arn":
            return self._arn(name, resource)
        if attribute == "StreamArn":
            return f"{self._arn(name, resource)}/stream/2026-01-01T00:00:00.000"
        ids = {"LatestVersionNumber": "1", "RoleId": f"AROA{name.upper():X<17}"}
        return ids.get(attribute, f"{name}.{attribute}")

    def _arn(self, name: str, resource: Mapping[str, Any]) -> str:
        properties = resource["Properties"]
        kind = resource["Type"]
        if kind == "AWS::DynamoDB::Table":
            return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self(properties['TableName'])}"
        if kind in {"AWS::IAM::Role", "AWS::IAM::InstanceProfile"}:
            what = "role" if kind == "AWS::IAM::Role" else "instance-profile"
            own_name = self(properties.get("RoleName", name))
            return f"arn:aws:iam::{ACCOUNT}:{what}{self(properties['Path'])}{own_name}"
        service = kind.split("::")[1].lower()
        own = f"key/{name}" if kind == "AWS::KMS::Key" else name
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{own}"


def substituted(argument: Any, value_of: Callable[[Any], Any]) -> str:
    """The text of an `Fn::Sub`, with each `${NAME}` replaced by its value.

    `value_of` resolves the `Ref` or `Fn::GetAtt` of a name in the text, and the values that the
    argument itself gives; a value of None becomes the empty string.
    """
    text, given = argument if isinstance(argument, list) else (argument, {})

    def value(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        if name in given:
            found = value_of(given[name])
        elif "." in name:
            found = value_of({"Fn::GetAtt": name.split(".", 1)})
        else:
            found = value_of({"Ref": name})
        return "" if found is None else str(found)

    return _VARIABLE.sub(value, text)


def referenced(text: str, stored: Callable[[str], str]) -> str:
    """The text with each dynamic reference `{{resolve:ssm:NAME}}` replaced by `stored(NAME)`.

    Raises:
        NotImplementedError: a reference to another service than SSM's plain parameters.
    """

    def value(match: re.Match[str]) -> str:
        service, name = match.groups()
        if service != "ssm":
            raise NotImplementedError(match[0])
        return stored(name)

    return _REFERENCE.sub(value, text)
