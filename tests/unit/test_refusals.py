"""Calls that Buildkite refuses: made again ever more rarely, and at once after a repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mayfly.adapters.aws.ssm import Secret
from mayfly.adapters.buildkite.refusals import MOST_KNOWN, PAUSES, Refusals
from mayfly.adapters.buildkite.stacks import Stacks
from mayfly.adapters.buildkite.stacks_calls import StacksCalls
from mayfly.dispatch.rhythm import LISTS
from mayfly.errors import Conflict, Misconfigured, NotFound, TokenRefused, Transient
from tests.unit.stacks_server import Answer, Bench, Clock, a_bench, a_page
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


# -- calls about jobs ------------------------------------------------------------------------------

ABOUT_JOBS: dict[str, Callable[[Stacks, str], object]] = {
    "reserve": lambda stacks, queue: stacks.reserve([f"{queue}-job"], 300, queue),
    "tokens": lambda stacks, queue: stacks.tokens([f"{queue}-job"], 300, queue),
    "finish": lambda stacks, queue: stacks.finish(f"{queue}-job", "reason", queue),
    "reserve of no queue": lambda stacks, _: stacks.reserve(["job"], 300),
    "states": lambda stacks, _: stacks.states(["job"]),
    "notes": lambda stacks, _: stacks.notify({"job": "a note"}),
}
TAKEN = Answer(200, {"reserved": ["other-job"], "job_acquisition_tokens": [], "states": {}})


def four_a_second(bench: Bench, call: Callable[[Stacks, str], object], seconds: int) -> int:
    """Make the call four times a second, as dispatch does. Returns how often it was answered."""
    answered = 0
    for _ in range(seconds * 4):
        try:
            call(bench.stacks, "deploy")
        except (Conflict, Misconfigured, NotFound):
            pass
        else:
            answered += 1
        bench.clock.now += 0.25
    return answered


@pytest.mark.parametrize("call", ABOUT_JOBS.values(), ids=ABOUT_JOBS)
@pytest.mark.parametrize("answer", [FORBIDDEN, UNKNOWN, INVALID], ids=["403", "404", "422"])
def test_a_refused_call_about_jobs_is_made_six_times_in_an_invocation(
    bench: Bench, answer: Answer, call: Callable[[Stacks, str], object]
) -> None:
    bench.answers(*[answer] * 99)
    assert four_a_second(bench, call, 52) == 0
    assert len(bench.server.asked) == 6
    bench.server.answers.clear()
    bench.answers(*[TAKEN] * 99)
    assert four_a_second(bench, call, 31) > 0


@pytest.mark.parametrize("call", list(ABOUT_JOBS)[:3])
def test_a_refused_call_about_one_queues_jobs_delays_no_other_queue(
    bench: Bench, call: str
) -> None:
    for _ in range(20):
        bench.server.answers.clear()
        bench.answers(FORBIDDEN)
        with pytest.raises(Misconfigured):
            ABOUT_JOBS[call](bench.stacks, "deploy")
        bench.server.answers.clear()
        bench.answers(TAKEN)
        ABOUT_JOBS[call](bench.stacks, "other")
        bench.clock.now += 0.25


def test_new_jobs_of_a_queue_whose_reservations_are_forbidden_bring_no_further_calls(
    bench: Bench,
) -> None:
    bench.answers(*[FORBIDDEN] * 99)
    for number in range(52):
        with pytest.raises(Misconfigured, match="403"):
            bench.stacks.reserve([f"job-{number}"], 300, "deploy")
        bench.clock.now += 1
    assert len(bench.server.asked) == 6


@pytest.mark.parametrize("answer", [UNKNOWN, INVALID], ids=["404", "422"])
def test_a_job_that_cannot_be_failed_delays_the_failure_of_no_other_job(
    bench: Bench, answer: Answer
) -> None:
    bench.answers(answer, Answer(200, {}))
    with pytest.raises((Conflict, NotFound)):
        bench.stacks.finish("job-1", "reason", "deploy")
    bench.stacks.finish("job-2", "reason", "deploy")
    assert len(bench.server.asked) == 2


def test_a_bounded_number_of_refusals_is_remembered() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    for number in range(3 * MOST_KNOWN):
        refusals.note(f"subject {number}", Misconfigured(str(number)))
        clock.now += 0.001
    with pytest.raises(Misconfigured):
        refusals.check(f"subject {3 * MOST_KNOWN - 1}")
    refusals.check("subject 0")
    assert len(refusals._known) == MOST_KNOWN
