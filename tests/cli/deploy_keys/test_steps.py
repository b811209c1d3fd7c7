"""What is made, in which order, and what is undone after each failure."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mayfly_cli.deploy_keys.key_pair import KeyPair, generate
from mayfly_cli.deploy_keys.port import DeployKey, Refused, Unsure
from mayfly_cli.deploy_keys.repository import repository
from mayfly_cli.deploy_keys.steps import PAUSES, Steps, UnclearError
from mayfly_cli.ends import BrokenError, Stopped, UsageError
from tests.cli.deploy_keys.fakes import FakeDeployKeys, FakeGit, FakeStored

OLD, NEW, OTHER = generate(), generate(), generate()
REMEDY = "mayfly deploy-key delete URL --fingerprint"
NO_RIGHT = Refused("no right")


@dataclass
class World:
    """A repository with nothing, or with a key that is registered and stored."""

    provider: FakeDeployKeys = field(default_factory=FakeDeployKeys)
    stored: FakeStored = field(default_factory=FakeStored)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.git = FakeGit(self.provider)

    def steps(self) -> Steps:
        return Steps(
            repository=repository("git@github.com:acme/app.git"),
            provider=self.provider,
            stored=self.stored,
            trial=self.git,
            remedy=REMEDY,
            sleep=self.slept.append,
            make=lambda: NEW,
        )

    def registered(self) -> set[str]:
        return {key.public.fingerprint for key in self.provider.keys if key.public}

    def unchanged(self) -> bool:
        return NEW.public.fingerprint not in self.registered() and self.stored.pair is not NEW


def with_key(pair: KeyPair = OLD) -> World:
    world = World()
    world.provider.keys = [
        DeployKey("7", "old", pair.public, read_only=True),
        DeployKey("8", "other", OTHER.public, read_only=False),
    ]
    world.stored.pair, world.stored.version = pair, 4
    return world


def prints(*pairs: KeyPair) -> set[str]:
    return {pair.public.fingerprint for pair in pairs}


# ------------------------------------------------------------------ create


def test_a_new_key_is_registered_tried_and_stored_in_this_order() -> None:
    world = World()
    made = world.steps().create("title", renew=False)
    assert (made.public, made.version, made.removed, made.left) == (NEW.public, 1, (), "")
    assert world.stored.pair is NEW
    assert world.provider.calls == ["all", "add"]


def test_a_key_that_is_there_is_not_overwritten_without_being_told() -> None:
    world = with_key()
    with pytest.raises(UsageError, match=r"has a key already \(version 4\); --rotate"):
        world.steps().create("title", renew=False)
    assert world.unchanged()
    assert world.provider.calls == []


def test_a_rotation_needs_a_key_and_create_with_rotate_does_not() -> None:
    with pytest.raises(UsageError, match="no key yet"):
        World().steps().create("title", renew=True, must_exist=True)
    assert World().steps().create("title", renew=True).version == 1


def test_a_token_that_may_not_list_changes_nothing() -> None:
    world = World()
    world.provider.faults = {"all": [NO_RIGHT]}
    with pytest.raises(UsageError, match="no right"):
        world.steps().create("title", renew=False)
    assert world.provider.calls == ["all"]


def test_a_token_that_may_not_register_changes_nothing() -> None:
    world = World()
    world.provider.faults = {"add": [NO_RIGHT]}
    with pytest.raises(UsageError, match="no right; nothing was changed"):
        world.steps().create("title", renew=False)
    assert world.unchanged()


@pytest.mark.parametrize("lists", [[None], [None, None], [None, None, None]])
def test_a_key_that_was_registered_in_spite_of_an_error_is_found(lists: list[None]) -> None:
    world = World()
    world.provider.faults = {"add": [Unsure("500 Server Error")]}
    world.provider.done = True
    made = world.steps().create("title", renew=False)
    assert made.version == 1
    assert world.registered() == prints(NEW)


def test_a_key_that_was_not_registered_after_an_error_is_said_so_after_three_looks() -> None:
    world = World()
    world.provider.faults = {"add": [Unsure("500 Server Error")]}
    with pytest.raises(UsageError, match="500 Server Error; the key is not registered"):
        world.steps().create("title", renew=False)
    assert world.slept == list(PAUSES)
    assert world.unchanged()


def test_a_provider_that_stays_silent_leaves_a_command_for_later() -> None:
    world = World()
    world.provider.faults = {"add": [Unsure("no answer")], "all": [None, Unsure("silent")]}
    world.provider.done = True
    with pytest.raises(BrokenError, match="not known") as broken:
        world.steps().create("title", renew=False)
    assert f"{REMEDY} {NEW.public.fingerprint}" in str(broken.value)
    assert world.stored.pair is None


def test_a_key_that_the_provider_makes_for_writing_is_removed_again() -> None:
    world = World()
    world.provider.read_only = False
    with pytest.raises(BrokenError, match="for writing, too; the new deploy key was removed"):
        world.steps().create("title", renew=False)
    assert world.unchanged()


@pytest.mark.parametrize("make", [World, with_key])
@pytest.mark.parametrize(
    ("at_git", "at_store", "kind", "why"),
    [
        ("Host key verification failed.", None, BrokenError, "git cannot read git@github.com:acme"),
        ("", UsageError("you may not put"), BrokenError, "you may not put"),
        ("", BrokenError("broken"), BrokenError, "broken"),
        (KeyboardInterrupt(), None, Stopped, "stopped"),
        ("", KeyboardInterrupt(), Stopped, "stopped"),
        ("", RuntimeError("a defect"), RuntimeError, "a defect"),
    ],
)
def test_a_failure_after_the_registration_undoes_it(
    make: type[World],
    at_git: BaseException | str,
    at_store: BaseException | None,
    kind: type[BaseException],
    why: str,
) -> None:
    world = make()
    before, stored = world.registered(), world.stored.pair
    world.git.fault, world.stored.fault = at_git, at_store
    with pytest.raises(kind, match=why) as failed:
        world.steps().create("title", renew=True)
    assert (world.registered(), world.stored.pair) == (before, stored)
    if kind is not RuntimeError:
        assert "removed again, and nothing else was changed" in str(failed.value)


def test_what_cannot_be_undone_is_said_with_the_command() -> None:
    world = World()
    world.git.fault = "Permission denied"
    world.provider.faults = {"remove": [Unsure("503")]}
    with pytest.raises(BrokenError, match=r"stays registered \(503\)") as failed:
        world.steps().create("title", renew=False)
    assert f"{REMEDY} {NEW.public.fingerprint}" in str(failed.value)


def test_no_deploy_key_is_removed_while_it_is_unclear_which_one_jobs_use() -> None:
    world = with_key()
    world.stored.fault = UnclearError("no answer from SSM")
    with pytest.raises(BrokenError, match="no answer from SSM; so the new deploy key"):
        world.steps().create("title", renew=True)
    assert prints(OLD, NEW) < world.registered()


# ------------------------------------------------------------------ rotate


def test_a_rotation_removes_the_old_key_and_no_other() -> None:
    world = with_key()
    made = world.steps().create("title", renew=True, must_exist=True)
    assert (made.version, set(made.removed), made.left) == (5, prints(OLD), "")
    assert world.registered() == prints(NEW, OTHER)
    assert world.provider.calls == ["all", "add", "remove"]


def test_an_old_key_that_cannot_be_removed_is_left_with_the_command() -> None:
    world = with_key()
    world.provider.faults = {"remove": [NO_RIGHT]}
    made = world.steps().create("title", renew=True)
    assert made.removed == ()
    assert made.left.endswith(f"(no right): {REMEDY} {OLD.public.fingerprint}")
    assert world.stored.pair is NEW


def test_an_old_key_that_is_not_known_is_left_to_a_person() -> None:
    world = with_key()
    world.stored.known_public = False
    made = world.steps().create("title", renew=True)
    assert "which deploy key was the old one is not known" in made.left
    assert world.registered() == prints(OLD, NEW, OTHER)


def test_an_old_key_that_is_not_registered_any_more_is_nothing_to_do() -> None:
    world = with_key()
    world.provider.keys = []
    made = world.steps().create("title", renew=True)
    assert (made.removed, made.left) == ((), "")


def test_a_stop_before_the_old_key_is_removed_says_so() -> None:
    world = with_key()
    world.provider.faults = {"remove": [KeyboardInterrupt()]}
    with pytest.raises(Stopped, match="before the old deploy key was removed"):
        world.steps().create("title", renew=True)
    assert world.stored.pair is NEW


def test_a_write_of_somebody_else_in_the_same_moment_is_told() -> None:
    world = with_key()

    class Between(FakeStored):
        def write(self, pair, title, known):  # type: ignore[no-untyped-def]
            self.version += 1
            return super().write(pair, title, self.present())

    world.stored = Between(OLD, 4)
    assert "somebody else may have written" in world.steps().create("title", renew=True).left


# ------------------------------------------------------------------ delete


def test_a_key_is_deleted_here_and_there() -> None:
    world = with_key()
    removed, left = world.steps().delete()
    assert (set(removed), left, world.stored.pair) == (prints(OLD), "", None)
    assert world.registered() == prints(OTHER)


def test_a_key_that_does_not_exist_is_not_deleted() -> None:
    with pytest.raises(UsageError, match="has no key in this queue's secrets"):
        World().steps().delete()


def test_a_token_without_the_right_to_list_deletes_nothing() -> None:
    world = with_key()
    world.provider.faults = {"all": [NO_RIGHT]}
    with pytest.raises(UsageError, match="no right"):
        world.steps().delete()
    assert world.stored.pair is OLD


def test_a_deploy_key_that_the_provider_keeps_is_left_with_the_command() -> None:
    world = with_key()
    world.provider.faults = {"remove": [NO_RIGHT]}
    assert world.steps().delete()[1].endswith(f"{REMEDY} {OLD.public.fingerprint}")


def test_one_deploy_key_is_deleted_by_its_fingerprint() -> None:
    world = with_key()
    assert world.steps().delete_one(OTHER.public.fingerprint) == "other"
    assert world.registered() == prints(OLD)


@pytest.mark.parametrize(
    ("fingerprint", "known", "why"),
    [
        (OLD.public.fingerprint, True, "jobs use this key"),
        (OTHER.public.fingerprint, False, "which key jobs use is not known"),
        (NEW.public.fingerprint, True, "has no deploy key SHA256"),
    ],
    ids=["used", "not known", "not registered"],
)
def test_a_key_that_jobs_use_or_may_use_is_not_deleted_alone(
    fingerprint: str, known: bool, why: str
) -> None:
    world = with_key()
    world.stored.known_public = known
    with pytest.raises(UsageError, match=why):
        world.steps().delete_one(fingerprint)
    assert world.registered() == prints(OLD, OTHER)
