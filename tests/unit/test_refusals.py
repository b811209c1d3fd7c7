"""Calls that Buildkite refuses: made again ever more rarely, and at once after a repair."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mayfly.adapters.aws.ssm import Secret
from mayfly.adapters.buildkite.refusals import PAUSES
from mayfly.adapters.buildkite.stacks import Stacks
from mayfly.adapters.buildkite.stacks_calls import StacksCalls
from mayfly.dispatch.rhythm import LISTS
from mayfly.errors import Misconfigured, NotFound, TokenRefused, Transient
from tests.unit.stacks_server import Answer, Bench, a_bench, a_page
from tests.unit.test_adapter_secret import Ssm

REFUSED = Answer(401, {"message": "Invalid access token"})
FORBIDDEN = Answer(403, {"message": "This token may not use the queue deploy"})
UNKNOWN = Answer(404, {"message": "No queue found"})
ASKED_AT = [sum(PAUSES[:number]) for number in range(5)]
"""Seconds from the first refusal to the first calls."""
INVALID = Answer(422, {"message": "queue_key is invalid"})


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as made:
        yield made


def for_minutes(bench: Bench, minutes: float, *queues: str) -> list[list[str]]:
    """List the queues four times a second, as dispatch does. Returns job ids by answered call."""
    answered: list[list[str]] = []
    for _ in range(int(minutes * 240)):
        for queue in queues:
            try:
                answered.append([job.id for job in bench.stacks.jobs(queue).jobs])
            except (Misconfigured, NotFound):
                continue
        bench.clock.now += 0.25
    return answered


def test_a_refused_token_is_tried_six_times_in_the_first_minute_and_then_twice_a_minute(
    bench: Bench,
) -> None:
    bench.answers(*[REFUSED] * 99)
    for_minutes(bench, 1, "deploy", "other")
    assert len(bench.server.asked) == 6
    for_minutes(bench, 3, "deploy", "other")
    assert len(bench.server.asked) == 6 + 3 * 2


def test_a_token_that_is_accepted_again_serves_every_queue_within_half_a_minute(
    bench: Bench,
) -> None:
    bench.answers(*[REFUSED] * 8)
    assert for_minutes(bench, 2, "deploy", "other") == []
    bench.answers(*[a_page("a")] * 999)
    assert ["a"] in for_minutes(bench, 0.5, "deploy", "other")
    assert len(for_minutes(bench, 0.05, "deploy", "other")) == 2 * 12


def test_the_refusal_of_a_token_says_what_to_do_and_names_no_call(bench: Bench) -> None:
    bench.answers(REFUSED)
    with pytest.raises(TokenRefused, match="revoked, expired") as first:
        bench.stacks.jobs("deploy")
    with pytest.raises(TokenRefused) as later:
        bench.stacks.states(["job-1"])
    assert str(first.value) == str(later.value)
    assert str(first.value).startswith("Buildkite answers 401 Invalid access token: ")


@pytest.mark.parametrize("answer", [FORBIDDEN, UNKNOWN, INVALID], ids=["403", "404", "422"])
def test_a_refused_queue_is_asked_rarely_and_delays_no_other_queue(
    bench: Bench, answer: Answer
) -> None:
    for second in range(21):
        bench.answers(*[answer] * (second in ASKED_AT))
        with pytest.raises((Misconfigured, NotFound), match=str(answer.status)):
            bench.stacks.jobs("deploy")
        bench.answers(a_page("a"))
        assert [job.id for job in bench.stacks.jobs("other").jobs] == ["a"]
        bench.clock.now += 1
    bench.clock.now += 30
    bench.answers(a_page("b"))
    assert [job.id for job in bench.stacks.jobs("deploy").jobs] == ["b"]


def test_a_forbidden_call_says_what_forbids_it_in_buildkites_words_and_in_ours(
    bench: Bench,
) -> None:
    bench.answers(FORBIDDEN)
    expected = r"403 This token may not use.*permissions, its queue access and its allowed IP"
    with pytest.raises(Misconfigured, match=expected) as caught:
        bench.stacks.jobs("deploy")
    assert not isinstance(caught.value, TokenRefused)


def test_the_registration_of_a_refused_queue_is_tried_rarely_and_delays_no_other_registration(
    bench: Bench,
) -> None:
    bench.answers(FORBIDDEN, Answer(201, {}), Answer(201, {}))
    for _ in range(2):
        with pytest.raises(Misconfigured, match="403"):
            bench.stacks.register("deploy", "me")
        bench.stacks.register("other", "me")
    assert [body["queue_key"] for body in bench.bodies] == ["deploy", "other", "other"]


def test_an_unanswered_trial_of_a_refused_token_is_no_proof_of_a_good_token(bench: Bench) -> None:
    bench.answers(REFUSED, Answer(503, {}))
    with pytest.raises(TokenRefused):
        bench.stacks.jobs("deploy")
    bench.clock.now += 1
    with pytest.raises(Transient):
        bench.stacks.jobs("deploy")
    with pytest.raises(TokenRefused):
        bench.stacks.jobs("deploy")


def from_parameter(bench: Bench) -> Ssm:
    """Give the bench a token from a parameter; returns SSM."""
    ssm = Ssm("bkct_an-old-token")
    secret = Secret(ssm, "/token", bench.clock)  # type: ignore[arg-type] # one method of the client is enough
    calls = StacksCalls(bench.server.address, secret, bench.clock)
    bench.stacks = Stacks(calls, "mayfly-test", LISTS, bench.clock)
    return ssm


def test_a_token_that_is_replaced_is_read_anew_within_a_minute(bench: Bench) -> None:
    ssm = from_parameter(bench)
    bench.answers(*[REFUSED] * 6)
    assert for_minutes(bench, 1, "deploy") == []
    ssm.value = "bkct_a-new-token"
    bench.answers(*[a_page("a")] * 999)
    assert ["a"] in for_minutes(bench, 1, "deploy")
    assert bench.server.asked[-1].authorization == "Token bkct_a-new-token"


@pytest.mark.parametrize("code", ["ParameterNotFound", "AccessDeniedException", "InvalidKeyId"])
def test_a_token_that_cannot_be_read_is_read_again_ever_more_rarely(
    bench: Bench, code: str
) -> None:
    ssm = from_parameter(bench)
    ssm.error = code
    with pytest.raises(TokenRefused, match="there is no agent token for Buildkite"):
        bench.stacks.jobs("deploy")
    bench.clock.now += 1
    for_minutes(bench, 2, "deploy", "other")
    assert (len(ssm.reads), bench.server.asked) == (6 + 2, [])
    ssm.error = ""
    bench.answers(*[a_page("a")] * 999)
    assert ["a"] in for_minutes(bench, 1, "deploy")
