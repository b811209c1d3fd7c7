"""Stands in for `sam`, and for `aws cloudformation deploy`, on the PATH of the guide's commands.

Why: `sam deploy` and `aws cloudformation deploy` create change sets, and moto expands neither SAM's
transform nor the short forms of YAML. This program asks SAM's questions and gives the answers to
the test's server, which deploys the same templates as every lab does. `sam build` does nothing: the
lab deploys the sources, and tests/packaging runs the real `sam build`. tests/packaging also holds
the questions of the real `sam deploy --guided` to the guide's table.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

from mayfly_cli.templates.reading import read

ROOT = Path(__file__).resolve().parents[3]
AFTER_PARAMETERS = (
    ("Confirm changes before deploy", "Y/n"),
    ("Allow SAM CLI IAM role creation", "Y/n"),
    ("Disable rollback", "y/N"),
    ("Save arguments to configuration file", "Y/n"),
    ("SAM configuration file", "samconfig.toml"),
    ("SAM configuration environment", "default"),
)


def ask(text: str, default: str) -> str:
    """The typed answer, or the default for Enter alone."""
    sys.stdout.write(f"\t{text} [{default}]: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() or default


def deploy(what: str, stack: str, parameters: dict[str, str]) -> None:
    """Let the test's server deploy."""
    body = json.dumps({"stack": stack, "parameters": parameters}).encode()
    url = f"{os.environ['MAYFLY_TEST_DEPLOYER']}/{what}"
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
        sys.stdout.write(answer.read().decode())


def guided() -> None:
    """Ask every question, and deploy the control plane."""
    stack = ask("Stack Name", "mayfly")
    ask("AWS Region", os.environ["AWS_REGION"])
    slots = read(ROOT / "template.yaml")["Parameters"]
    answers = {
        name: ask(f"Parameter {name}", str(slot.get("Default", ""))) for name, slot in slots.items()
    }
    for text, default in AFTER_PARAMETERS:
        ask(text, default)
    if ask("Deploy this changeset?", "y/N") != "y":
        sys.exit("nothing was deployed")
    deploy("control", stack, answers)


def queue(words: list[str]) -> None:
    """Deploy a queue's stack, with the options of `aws cloudformation deploy`."""
    options = {words[i]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
    if options["--template-file"] != "stacks/queue.yaml":
        sys.exit("only the template stacks/queue.yaml is deployed alone")
    given = words[words.index("--parameter-overrides") + 1 :]
    pairs = [word.partition("=") for word in given]
    deploy("queue", options["--stack-name"], {name: value for name, _, value in pairs})


match sys.argv[1:]:
    case ["build"]:
        sys.stdout.write("Build Succeeded\n")
    case ["deploy", "--guided"]:
        guided()
    case ["cloudformation", "deploy", *words]:
        queue(words)
    case words:
        sys.exit(f"the stand-in has no {' '.join(words)}")
