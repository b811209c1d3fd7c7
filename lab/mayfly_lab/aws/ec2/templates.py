"""Reads launch templates, and the tags that templates and requests set, by resource type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """The launch template and version that a specification names, as far as they exist."""

    template_id: str
    """The id; empty for a name that no template has."""
    template: Any = None
    """moto's launch template; None for an unknown one."""
    number: str = ""
    """The version's number; the given text for an unknown version."""
    version: Any = None
    """moto's version; None for an unknown one."""


def named_template(backend: Any, named: Data) -> Named:
    """The launch template of a specification, by id or name; `backend` is moto's EC2 backend."""
    template_id = named.get("LaunchTemplateId") or backend.launch_template_name_to_ids.get(
        named.get("LaunchTemplateName"), ""
    )
    found = backend.launch_templates.get(template_id)
    if found is None:
        return Named(str(template_id))
    number = str(named.get("Version") or "$Default")
    newest, default = str(found.latest_version_number), str(found.default_version_number)
    number = {"$Latest": newest, "$Default": default}.get(number, number)
    version = next((each for each in found.versions if str(each.number) == number), None)
    return Named(str(found.id), found, number, version)


def tags_of(listed: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Tags in the API's form as a mapping; a tag without a value has an empty one."""
    return {str(tag["Key"]): str(tag.get("Value") or "") for tag in listed or ()}


def tags_by_type(*specified: Data) -> dict[str, dict[str, str]]:
    """The tags that TagSpecifications set, by resource type; later data goes over earlier data."""
    found: dict[str, dict[str, str]] = {}
    for data in specified:
        for entry in data.get("TagSpecifications") or ():
            found.setdefault(str(entry.get("ResourceType")), {}).update(tags_of(entry.get("Tags")))
    return found


def launch_tags(template: Data, request: Data) -> dict[str, dict[str, str]]:
    """The tags that a launch sets, by resource type: the request's over the template's.

    moto puts the tags of a template, made by its API, among those of what the template launches.
    """
    found = tags_by_type(template, request)
    found.pop("launch-template", None)
    return found
