"""`buildkite-agent pipeline upload`: steps from a file or standard input.

JSON always works; YAML only where PyYAML is installed: the standard library has no parser for it.
"""

from __future__ import annotations

import importlib
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .arguments import Arguments, client, parse, required
from .client import UPLOAD
from .interpolation import InterpolationError, filled
from .options import UsageError

_PLACES = tuple(
    f"{directory}{name}.{ending}"
    for directory in ("", ".buildkite/", "buildkite/")
    for name in ("buildkite", "pipeline")
    for ending in ("yml", "yaml", "json")
    if (directory == "") is (name == "buildkite")
)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`pipeline upload [FILE] [--replace] [--no-interpolation] [--dry-run]`.

    Returns the exit status.

    Raises:
        UsageError: wrong arguments, or a pipeline that cannot be read or interpolated.
    """
    if not arguments or arguments[0] != "upload":
        raise UsageError("this is a stand-in: its `pipeline` supports only upload")
    switches = ("replace", "no-interpolation", "dry-run")
    given = parse("pipeline upload", arguments[1:], flags=("job",), switches=switches)
    pipeline = _read(given)
    if isinstance(pipeline, list):
        pipeline = {"steps": pipeline}
    if not isinstance(pipeline, dict):
        raise UsageError("the pipeline must be a list of steps, or a mapping with steps")
    if not given.on("no-interpolation"):
        pipeline = _interpolated(pipeline, environ)
    if given.on("dry-run"):
        print(json.dumps(pipeline, indent=2))
        return 0
    job = required(given, "job", environ, "BUILDKITE_JOB_ID")
    body: dict[str, Any] = {"uuid": str(uuid.uuid4()), "pipeline": pipeline}
    if given.on("replace"):
        body["replace"] = True
    answer = client(given, environ).call("POST", f"/jobs/{job}/pipelines", body, patience=UPLOAD)
    if not answer.ok:
        print(f"fatal: Failed to upload and process pipeline: {answer.message}", file=sys.stderr)
        return 1
    print("Successfully uploaded and parsed pipeline config")
    return 0


def _read(given: Arguments) -> Any:
    if given.rest:
        name = given.rest[0]
    elif not sys.stdin.isatty():
        return _parsed(sys.stdin.read(), "(stdin)")
    else:
        name = next((place for place in _PLACES if Path(place).is_file()), "")
    if not name:
        raise UsageError("Could not find a default pipeline configuration file")
    try:
        content = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Failed to read file: {error}") from error
    return _parsed(content, name)


def _parsed(content: str, name: str) -> Any:
    if not content.strip():
        raise UsageError(f"Config file is empty: {name}")
    try:
        return json.loads(content)
    except ValueError:
        return _parsed_yaml(content, name)


def _parsed_yaml(content: str, name: str) -> Any:
    try:
        yaml = importlib.import_module("yaml")  # not every machine has PyYAML
    except ImportError:
        raise UsageError(
            f"this is a stand-in: it reads {name} as JSON only, because PyYAML is not installed"
        ) from None

    # Dates stay text: JSON has no dates, and Buildkite reads them as text.
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})
    try:
        return yaml.load(content, loader)
    except yaml.YAMLError as error:
        raise UsageError(f"Pipeline parsing of {name} failed: {error}") from None


def _interpolated(pipeline: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    own = pipeline.get("env")
    try:
        env = filled(own, environ) if isinstance(own, dict) else {}
        return filled(pipeline, {**{k: str(v) for k, v in env.items()}, **environ})
    except InterpolationError as error:
        raise UsageError(f"Pipeline interpolation failed: {error}") from None
