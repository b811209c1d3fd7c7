"""Lists of pipelines and teams beside secrets: who gets in, with the cases of the layout."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly_protocol.access import denial, entries, list_names
from mayfly_protocol.job_facts import JobFacts

WEB = JobFacts(pipeline="web", repository="git@github.com:a/b.git", source="webhook")
PATH = "/vendors/buildkite/deploy"
PIPELINES, TEAMS = f"{PATH}/global/allowed_pipelines", f"{PATH}/global/allowed_teams"


@pytest.mark.parametrize(
    ("creator", "unblocker", "teams"),
    [
        (None, None, ()),
        ("team1:team2", None, ("team1", "team2")),
        (None, "team3:team4", ("team3", "team4")),
        ("team1:team2", "team3:team4", ("team1", "team2", "team3", "team4")),
        ("team1:team4", "team1:team2", ("team1", "team2", "team4")),
        ("", "", ()),
    ],
)
def test_teams_are_those_of_creator_and_unblocker(
    creator: str | None, unblocker: str | None, teams: tuple[str, ...]
) -> None:
    named = {
        "BUILDKITE_BUILD_CREATOR_TEAMS": creator,
        "BUILDKITE_UNBLOCKER_TEAMS": unblocker,
    }
    assert (
        JobFacts.of({key: text for key, text in named.items() if text is not None}).teams == teams
    )


@pytest.mark.parametrize(
    ("lists", "facts", "why"),
    [
        ({}, WEB, ""),
        ({PIPELINES: "api\nweb"}, WEB, ""),
        ({PIPELINES: " web \r\napi\r\n"}, WEB, ""),
        ({PIPELINES: "api"}, WEB, f"its pipeline is not in {PIPELINES}"),
        ({PIPELINES: "WEB"}, WEB, f"its pipeline is not in {PIPELINES}"),
        ({PIPELINES: "web-2"}, WEB, f"its pipeline is not in {PIPELINES}"),
        ({PIPELINES: "\n"}, WEB, f"its pipeline is not in {PIPELINES}"),
        ({PIPELINES: "\n"}, replace(WEB, pipeline=""), f"its pipeline is not in {PIPELINES}"),
        ({TEAMS: "team1"}, WEB, f"none of its teams is in {TEAMS}"),
        ({TEAMS: "team1\nteam2"}, replace(WEB, teams=("team1", "team9")), ""),
        ({TEAMS: "team3"}, replace(WEB, teams=("team1",)), f"none of its teams is in {TEAMS}"),
        ({TEAMS: "Team1"}, replace(WEB, teams=("team1",)), f"none of its teams is in {TEAMS}"),
        ({TEAMS: "team3"}, replace(WEB, source="schedule"), ""),
        (
            {TEAMS: "team3"},
            replace(WEB, source="schedule", teams=("team1",)),
            f"none of its teams is in {TEAMS}",
        ),
        (
            {PIPELINES: "web", TEAMS: "team3"},
            replace(WEB, teams=("team1",)),
            f"none of its teams is in {TEAMS}",
        ),
        (
            {PIPELINES: "web", f"{PATH}/web/allowed_pipelines": "api"},
            WEB,
            f"its pipeline is not in {PATH}/web/allowed_pipelines",
        ),
    ],
)
def test_a_list_lets_in_those_that_it_names(
    lists: dict[str, str], facts: JobFacts, why: str
) -> None:
    assert denial(lists, facts) == why


def test_the_lists_of_a_job_lie_in_its_three_folders() -> None:
    assert list_names(PATH, WEB) == tuple(
        f"{PATH}/{folder}/allowed_{kind}"
        for folder in ("global", "github.com_a_b.git", "web")
        for kind in ("pipelines", "teams")
    )


def test_a_lone_carriage_return_ends_an_entry_too() -> None:
    assert entries("a\rb\r\nc\n\n d ") == {"a", "b", "c", "d"}
