"""Which clone URLs mean one repository, and which URLs mean no repository."""

from __future__ import annotations

import pytest

from mayfly_protocol.repository import canonical_repository, covers, same_repository

FORMS_OF_ONE = [
    "https://github.com/acme/web.git",
    "https://github.com/acme/web",
    "https://github.com/acme/web/",
    "https://github.com/acme/web.git/",
    "git@github.com:acme/web.git",
    "user@github.com:acme/web.git",
    "git@github.com:/acme/web.git",
    "https://git@github.com/acme/web.git",
    "https://user:pass@github.com/acme/web.git",
    "ssh://git@github.com/acme/web.git",
    "ssh://git@github.com:22/acme/web.git",
    "https://github.com:443/acme/web.git",
    "git://github.com/acme/web.git",
    "https://GitHub.com/acme/web.git",
]


@pytest.mark.parametrize("url", FORMS_OF_ONE)
def test_urls_of_one_repository_have_one_canonical_form(url: str) -> None:
    assert canonical_repository(url) == "github.com/acme/web"
    assert same_repository(url, FORMS_OF_ONE[0])


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://github.com:8080/a/b.git", "github.com:8080/a/b"),
        ("https://github.com:8080/~a/b.git", "github.com:8080/~a/b"),
        ("ssh://git@your-scm.io:32200/hp/stone.git", "your-scm.io:32200/hp/stone"),
        ("git@my-git.example.com:a/b.git", "my-git.example.com/a/b"),
        ("git@bitbucket.org:2fa/x.git", "bitbucket.org/2fa/x"),
        ("git@host:123/repo.git", "host/123/repo"),
        ("git@gitlab.com:group/sub/group/repo.git", "gitlab.com/group/sub/group/repo"),
        ("https://dev.azure.com/org/project/_git/repo", "dev.azure.com/org/project/_git/repo"),
    ],
)
def test_unusual_hosts_ports_and_paths_are_kept(url: str, canonical: str) -> None:
    assert canonical_repository(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/Web.git",
        "https://github.com/acme/web2.git",
        "https://github.com/acme/web/web.git",
        "https://github.com/acme_web",
        "https://github.com:8443/acme/web.git",
        "https://github.com.evil.example/acme/web.git",
        "https://evil.example/github.com/acme/web.git",
        "https://github.com@evil.example/acme/web.git",
        "https://github.com:acme@evil.example/acme/web.git",
        "git@evil.example:github.com/acme/web.git",
    ],
)
def test_urls_of_different_repositories_differ(url: str) -> None:
    assert canonical_repository(url) is not None
    assert not same_repository(url, FORMS_OF_ONE[0])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme/web",
        "github.com:acme/web.git",
        "/srv/git/web.git",
        "file:///srv/git/web.git",
        "ext::sh -c evil",
        "https://evil.example/x//github.com/acme/web.git",
        "https://evil.example/x@github.com/acme/web.git",
        "https://evil.example/?https://github.com/acme/web.git",
        "https://evil.example\\@github.com/acme/web.git",
        "https://a@b@github.com/acme/web.git",
        "https://github.com//acme/web.git",
        "https://github.com/acme/../web.git",
        "https://github.com/./acme/web.git",
        "https://github.com/acme/web.git#x",
        "https://github.com/acme/%77eb.git",
        "https://github.com/acme/web .git",
        "https://github.com/acme/web.git\n",
        " https://github.com/acme/web.git",
        "https://github.com./acme/web.git",
        "https://-github.com/acme/web.git",
        "https://[::1]/acme/web.git",
        "https://github.com:/acme/web.git",
        "https://github.com:443443/acme/web.git",
        "https://github.com/",
        "https://github.com/.git",
        "https://g\u0131thub.com/acme/web.git",
        "HTTPS://github.com/acme/web.git",
        "git@github.com::acme/web.git",
        "git@github.com:acme//web.git",
        "git@github.com://acme/web.git",
        "-oProxyCommand@github.com:acme/web.git",
    ],
)
def test_an_ambiguous_url_is_no_repository(url: str) -> None:
    assert canonical_repository(url) is None
    assert not same_repository(url, url)
    assert not same_repository(url, FORMS_OF_ONE[0])


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://github.com/acme/web", "git@github.com:acme/web.git"),
        ("git@github.com:acme/*", "https://me:pass@GitHub.com/acme/web/"),
        ("https://github.com/acme/*", "https://github.com:443/acme/x"),
        ("https://github.com/acme/sub/*", "git@github.com:acme/sub/web"),
        ("https://github.com:8443/acme/*", "https://github.com:8443/acme/web"),
    ],
)
def test_a_rule_value_covers_one_repository_or_all_of_an_owner(value: str, url: str) -> None:
    assert covers(value, url)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        # The beginning of a name does not match the name.
        ("https://github.com/acme/*", "https://github.com/acme2/web"),
        ("https://github.com/acme/*", "https://github.com/acm/web"),
        ("https://github.com/acme/web", "https://github.com/acme/webx"),
        ("https://github.com/acme*", "https://github.com/acme/web"),
        # The repositories of an owner lie directly below the owner.
        ("https://github.com/acme/*", "https://github.com/acme/sub/web"),
        ("https://github.com/acme/*", "https://github.com/acme"),
        ("https://github.com/acme/sub/*", "https://github.com/acme/web"),
        # Paths are case-sensitive, and a port is part of the name of a host.
        ("https://github.com/acme/*", "https://github.com/Acme/web"),
        ("https://github.com/acme/*", "https://github.com:8443/acme/web"),
        # A text that is no clone URL covers nothing and is covered by nothing.
        ("", ""),
        ("*", "https://github.com/acme/web"),
        ("/*", "https://github.com/acme/web"),
        ("https://*/*", "https://github.com/acme/web"),
        ("https://github.com//*", "https://github.com/acme"),
        ("https://github.com/acme/../*", "https://github.com/acme/../web"),
        ("https://github.com/acme/*", "https://evil.example/x@github.com/acme/web"),
        ("https://github.com/acme/*", "https://github.com/acme/w\u00e9b"),
        ("https://github.com/acme/*", "https://github.com/acme/*"),
        ("https://github.com/acme/*", ""),
    ],
)
def test_a_rule_value_covers_no_other_repository(value: str, url: str) -> None:
    assert not covers(value, url)
