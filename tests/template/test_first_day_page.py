"""The first-day guide against the templates, and against the README."""

from __future__ import annotations

import re

from build.blocks import ROOT
from build.guide import PAGE, commands, questions
from mayfly_cli.templates.reading import read

PAGE_TEXT = PAGE.read_text("utf-8")


def test_the_guide_answers_every_parameter_of_the_template_in_its_order_with_its_default() -> None:
    slots = read(ROOT / "template.yaml")["Parameters"]
    asked = [each for each in questions(PAGE_TEXT) if each.text.startswith("Parameter ")]
    assert [(each.text.removeprefix("Parameter "), each.default) for each in asked] == [
        (name, str(slot.get("Default", ""))) for name, slot in slots.items()
    ]


def test_the_answers_of_the_guide_are_allowed_or_variables_of_earlier_commands() -> None:
    slots = read(ROOT / "template.yaml")["Parameters"]
    text = PAGE_TEXT[: PAGE_TEXT.index("| question | answer |")]
    made = {
        name
        for each in commands(text)
        for name in re.findall(r"(?:^|read -rs )([A-Z_]+)(?==|$)", each.text)
    }
    for each in questions(PAGE_TEXT):
        slot = slots.get(each.text.removeprefix("Parameter "), {})
        if each.answer.startswith("$"):
            assert each.answer[1:] in made
        elif each.answer and "AllowedPattern" in slot:
            assert re.fullmatch(slot["AllowedPattern"], each.answer)
        elif each.answer and "AllowedValues" in slot:
            assert each.answer in slot["AllowedValues"]


def test_the_guides_second_queue_gets_every_parameter_without_a_default() -> None:
    slots = read(ROOT / "stacks" / "queue.yaml")["Parameters"]
    [command] = [
        each.text
        for each in commands(PAGE_TEXT)
        if each.text.startswith("aws cloudformation deploy")
    ]
    given = set(re.findall(r" ([A-Z][A-Za-z0-9]+)=", command))
    released = {"AgentVersion", "AgentSha256Amd64", "AgentSha256Arm64"}
    assert "$(.venv/bin/mayfly agent-release | tail -n 1)" in command
    assert {name for name, slot in slots.items() if "Default" not in slot} <= given | released
    assert given <= slots.keys()


def step(command: str) -> str:
    """The program and its subcommands: the words before options, pairs and comments."""
    told = command.partition(" | ")[2] if command.startswith("printf ") else command
    return re.split(r" (?:--(?!guided)|[A-Z]\w*=|#|\"?\$)", re.sub(r"\s+", " ", told))[0]


def test_the_way_from_deployment_to_the_first_job_is_the_same_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    deploy = readme[readme.index("## Deploy") : readme.index("## Next")]
    short = [step(each.text) for each in commands(deploy)]
    whole = iter(step(each.text) for each in commands(PAGE_TEXT))
    assert short[0] == "make install"
    assert short[-1] == ".venv/bin/mayfly first-job"
    assert [each for each in short if each not in whole] == []
