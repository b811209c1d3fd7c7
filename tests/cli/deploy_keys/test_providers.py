"""One contract for the fake and for the four providers' adapters, which call strict stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mayfly_cli.deploy_keys import providers
from mayfly_cli.deploy_keys.http import Token
from mayfly_cli.deploy_keys.key_pair import PublicKey, generate
from mayfly_cli.deploy_keys.port import DeployKey, DeployKeys, Refused, Taken, Unsure
from mayfly_cli.deploy_keys.providers import VARIABLES, deploy_keys
from mayfly_cli.deploy_keys.repository import Provider, repository
from tests.cli.deploy_keys.fakes import FakeDeployKeys
from tests.cli.deploy_keys.forges import FORGES, READER, TOKEN, Forge, Reply, serving

PUBLIC = generate().public
OTHERS = [generate().public for _ in range(5)]


def adapter(forge: Forge, token: str = TOKEN) -> DeployKeys:
    provider = Provider(forge.provider)
    source = Token(token, VARIABLES[provider])
    return deploy_keys(provider, repository(forge.url), source, forge.address)


@pytest.fixture(params=FORGES, ids=lambda each: each.provider)
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with serving(request.param()) as found:
        yield found


@dataclass
class World:
    """A provider to look at from both sides."""

    keys: DeployKeys
    forge: Forge | None

    def seed(self, title: str, public: PublicKey, *, writes: bool = False) -> None:
        if self.forge is not None:
            self.forge.seed(title, public.text, writes=writes)
        else:
            assert isinstance(self.keys, FakeDeployKeys)
            number = str(100 + len(self.keys.keys))
            self.keys.keys.append(DeployKey(number, title, public, not writes))


@pytest.fixture(params=[None, *FORGES], ids=lambda each: each.provider if each else "fake")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param is None:
        yield World(FakeDeployKeys(), None)
        return
    with serving(request.param()) as found:
        yield World(adapter(found), found)


# ------------------------------------------------------------------ the contract


def test_a_repository_without_keys_has_an_empty_list(world: World) -> None:
    assert list(world.keys.all()) == []


def test_an_added_key_is_for_reading_alone_and_listed(world: World) -> None:
    made = world.keys.add("a title", PUBLIC)
    assert (made.title, made.public, made.read_only) == ("a title", PUBLIC, True)
    assert list(world.keys.all()) == [made]


def test_a_key_that_is_registered_already_is_taken(world: World) -> None:
    world.seed("older", PUBLIC)
    with pytest.raises(Taken, match="already"):
        world.keys.add("a title", PUBLIC)


def test_a_removed_key_is_gone_and_the_others_stay(world: World) -> None:
    world.seed("other", OTHERS[0])
    made = world.keys.add("a title", PUBLIC)
    world.keys.remove(made)
    assert [key.title for key in world.keys.all()] == ["other"]
    world.keys.remove(made)


def test_every_page_of_a_list_is_read(world: World) -> None:
    for at, public in enumerate(OTHERS):
        world.seed(f"key {at}", public)
    assert [key.public for key in world.keys.all()] == OTHERS


def test_a_key_that_may_write_is_told_apart(world: World) -> None:
    if world.forge is not None and world.forge.provider == "bitbucket":
        return  # its deploy keys never write
    world.seed("may write", OTHERS[0], writes=True)
    assert [key.read_only for key in world.keys.all()] == [False]


# ------------------------------------------------------------------ refusals


def test_a_token_that_nobody_knows_is_refused_with_its_source(forge: Forge) -> None:
    with pytest.raises(Refused, match="is wrong, has expired, or lacks a right") as refused:
        adapter(forge, "unknown-token").all()
    assert VARIABLES[Provider(forge.provider)] in str(refused.value)
    assert "unknown-token" not in str(refused.value)


def test_a_token_without_the_right_is_refused_with_what_it_needs(forge: Forge) -> None:
    with pytest.raises(Refused, match=r"it needs the (scope|permission|role)") as refused:
        adapter(forge, READER).add("a title", PUBLIC)
    assert READER not in str(refused.value)
    assert forge.keys == []


def test_an_unknown_repository_is_named(forge: Forge) -> None:
    forge.exists = False
    with pytest.raises(Refused, match="there is no repository acme/app, or the token"):
        adapter(forge).all()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(429, {"message": "slow down"}, {"Retry-After": "37"}), "try again in 37 s"),
        (Reply(429, "Retry later\n"), "try again in a few minutes"),
        (Reply(403, {"message": "archived project"}), "acme/app is archived"),
        (Reply(403, {"message": "You must enable two-factor authentication"}), "two-factor"),
        (Reply(403, {"error": {"message": "Two-step verification is required"}}), "two-factor"),
        (Reply(422, {"message": "deploy keys are disabled for this repository"}), "do not allow"),
        (Reply(400, {"message": "title is too long"}), "title is too long"),
        (Reply(301, {"message": "Moved Permanently"}, {"Location": "/x"}), "a redirect"),
        (Reply(302, "<html>log in</html>", {"Location": "http://192.0.2.1/"}), "a redirect"),
    ],
)
def test_each_refusal_says_why(forge: Forge, reply: Reply, why: str) -> None:
    forge.fails("POST", reply)
    with pytest.raises(Refused, match=why) as refused:
        adapter(forge).add("a title", PUBLIC)
    assert not isinstance(refused.value, Unsure)


GITHUB = FORGES[0]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            Reply(
                403,
                {"message": "Resource protected by organization SAML enforcement."},
                {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?x=1"},
            ),
            r"single sign-on at https://github.com/orgs/acme/sso\?x=1",
        ),
        (
            Reply(401, {"message": "Must specify two-factor authentication OTP code."}),
            "two-factor",
        ),
        (Reply(401, {"message": "…"}, {"X-GitHub-OTP": "required; app"}), "two-factor"),
        (
            Reply(
                403,
                {"message": "API rate limit exceeded for user ID 1."},
                {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1377013266"},
            ),
            "too many calls",
        ),
        (
            Reply(403, {"message": "You have exceeded a secondary rate limit."}),
            "too many calls",
        ),
        (Reply(403, {"message": "Repository was archived so is read-only."}), "is archived"),
        (
            Reply(401, {"errors": [{"message": "no"}]}, {
                "X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=x"
            }),
            "log in once in a browser",
        ),
    ],
)  # fmt: skip
def test_each_refusal_with_a_header_or_words_of_its_own_says_why(reply: Reply, why: str) -> None:
    with serving(GITHUB()) as forge:
        forge.fails("GET", reply)
        with pytest.raises(Refused, match=why):
            adapter(forge).all()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, {"message": "Server Error"}),
        Reply(502, "<html>Bad Gateway</html>"),
        Reply(0),
        Reply(200, "<html>hello</html>"),
        Reply(201, {"what": "is this"}),
        Reply(201, ["nothing"]),
    ],
)
def test_an_answer_that_leaves_open_what_was_done_is_unsure(forge: Forge, reply: Reply) -> None:
    forge.fails("POST", reply, done=True)
    with pytest.raises(Unsure):
        adapter(forge).add("a title", PUBLIC)
    assert [key.public for key in adapter(forge).all()] == [PUBLIC]


@pytest.mark.parametrize("content", [{}, {"values": 3}, "text", {"values": [3]}, [{"id": 1}]])
def test_a_list_of_another_form_is_never_taken_for_an_empty_one(forge: Forge, content: Any) -> None:
    forge.fails("GET", Reply(200, content))
    with pytest.raises(Unsure):
        adapter(forge).all()


def test_a_list_without_an_end_is_given_up(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PAGES", 3)
    for public in OTHERS[:3]:
        forge.seed("again", public.text)
    with_more = {"page": "1", "per_page": "100", "pagelen": "100", "limit": "100", "start": "0"}
    first = forge.page({name: with_more[name] for name in FIRST[forge.provider]})
    forge.page = lambda query: first  # type: ignore[method-assign]
    with pytest.raises(Refused, match="more than 6 deploy keys"):
        adapter(forge).all()


FIRST = {
    "github": ("per_page", "page"),
    "gitlab": ("per_page", "page"),
    "bitbucket": ("pagelen",),
    "bitbucket-server": ("limit", "start"),
}


def test_a_provider_that_is_not_there_is_unsure_without_the_token() -> None:
    keys = deploy_keys(
        Provider.GITHUB, repository(GITHUB.url), Token(TOKEN, "X"), "http://127.0.0.1:9"
    )
    with pytest.raises(Unsure, match=r"GitHub at 127.0.0.1:9 gives no answer") as refused:
        keys.all()
    assert TOKEN not in f"{refused.value!r} {keys!r}"


def test_a_token_of_user_and_token_is_sent_as_basic_authentication() -> None:
    with serving(FORGES[2]()) as forge:
        with pytest.raises(Refused):
            adapter(forge, "me@example.org:ATATT-token").all()
        header = forge.calls[0].headers["Authorization"]
    assert header == "Basic bWVAZXhhbXBsZS5vcmc6QVRBVFQtdG9rZW4="


def test_a_file_netrc_does_not_replace_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(GITHUB()) as forge:
        assert list(adapter(forge).all()) == []
