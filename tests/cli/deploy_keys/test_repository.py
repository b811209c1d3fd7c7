"""Repositories as people name them: folder, provider, and where ssh is."""

from __future__ import annotations

import pytest

from mayfly_cli.deploy_keys.repository import api_of, names_of, provider_of, repository
from mayfly_cli.ends import UsageError

GITHUB, GITLAB, BITBUCKET = (
    "https://api.github.com",
    "https://gitlab.com/api/v4",
    "https://api.bitbucket.org/2.0",
)


@pytest.mark.parametrize(
    ("url", "named", "slug", "ssh", "names", "api"),
    [
        *(
            (url, None, "github.com_a_b.git", ssh, "a/b", GITHUB)
            for url, ssh in (
                ("git@github.com:a/b.git", "git@github.com:a/b.git"),
                ("ssh://git@github.com/a/b.git", "ssh://git@github.com/a/b.git"),
                ("https://github.com/a/b.git", "git@github.com:a/b.git"),
                ("https://git@github.com/a/b.git", "git@github.com:a/b.git"),
                ("git://github.com/a/b.git", "git@github.com:a/b.git"),
                ("org-1@github.com:a/b.git", "org-1@github.com:a/b.git"),
            )
        ),
        (
            *("https://github.com/a/b", None, "github.com_a_b"),
            *("git@github.com:a/b", "a/b", GITHUB),
        ),
        (
            *("ssh://git@ssh.github.com:443/a/b.git", None, "ssh.github.com-443_a_b.git"),
            *("ssh://git@ssh.github.com:443/a/b.git", "a/b", GITHUB),
        ),
        (
            *("git@tenant.ghe.com:a/b.git", None, "tenant.ghe.com_a_b.git"),
            *("git@tenant.ghe.com:a/b.git", "a/b", "https://api.tenant.ghe.com"),
        ),
        (
            *("git@git.example.org:a/b.git", "github", "git.example.org_a_b.git"),
            *("git@git.example.org:a/b.git", "a/b", "https://git.example.org/api/v3"),
        ),
        (
            *("git@gitlab.com:group/sub/b.git", None, "gitlab.com_group_sub_b.git"),
            *("git@gitlab.com:group/sub/b.git", "group/sub/b", GITLAB),
        ),
        (
            *("ssh://git@altssh.gitlab.com:443/a/b.git", None, "altssh.gitlab.com-443_a_b.git"),
            *("ssh://git@altssh.gitlab.com:443/a/b.git", "a/b", GITLAB),
        ),
        (
            *("https://git.example.org/a/b.git", "gitlab", "git.example.org_a_b.git"),
            *("git@git.example.org:a/b.git", "a/b", "https://git.example.org/api/v4"),
        ),
        (
            *("git@bitbucket.org:2fa/x.git", None, "bitbucket.org_2fa_x.git"),
            *("git@bitbucket.org:2fa/x.git", "2fa/x", BITBUCKET),
        ),
        (
            *("ssh://git@my-scm.io:7999/hp/x.git", "bitbucket-server", "my-scm.io-7999_hp_x.git"),
            *("ssh://git@my-scm.io:7999/hp/x.git", "hp/x", "https://my-scm.io"),
        ),
        (
            *("ssh://git@my-scm.io:7999/~me/x.git", "bitbucket-server", "my-scm.io-7999__me_x.git"),
            *("ssh://git@my-scm.io:7999/~me/x.git", "~me/x", "https://my-scm.io"),
        ),
    ],
)
def test_a_clone_url_names_folder_provider_and_ssh(
    url: str, named: str | None, slug: str, ssh: str, names: str, api: str
) -> None:
    found = repository(url)
    provider = provider_of(found, named)
    assert (found.slug, found.ssh_url, found.by_ssh) == (slug, ssh, url == ssh)
    assert "/".join(names_of(found, provider)) == names
    assert api_of(found, provider) == api


@pytest.mark.parametrize(
    ("url", "named", "why"),
    [
        ("", None, "not a clone URL"),
        ("app", None, "not a clone URL"),
        ("/srv/a.git", None, "not a clone URL"),
        ("file:///srv/a.git", None, "not a clone URL"),
        ("git@host:123/a.git", "github", "not a clone URL"),
        ("https://evil.example/x//github.com/a/b.git", None, "not a clone URL"),
        ("--upload-pack=x", None, "not a clone URL"),
        ("https://user:hunter2@github.com/a/b.git", None, "password or a token"),
        ("https://user:hunter2@github.com/a/../b.git", None, "not a clone URL"),
        ("git@git.example.org:a/b.git", None, "Give --provider: github, gitlab"),
        ("git@github.com:a/b.git", "gitlab", "github.com is GitHub, not GitLab"),
        ("git@github.com:a/b/c.git", None, "a/b/c is no repository of GitHub"),
        ("git@github.com:a.git", None, "a is no repository of GitHub"),
        ("git@bitbucket.org:a/b/c.git", None, "is no repository of Bitbucket"),
        ("git@gitlab.com:a.git", None, "is no repository of GitLab"),
        ("https://my-scm.io/scm/hp/x.git", "bitbucket-server", "over ssh alone"),
        ("https://git.example.org:8443/a/b.git", "gitlab", "over ssh alone"),
    ],
)
def test_another_text_is_refused_with_what_to_give(url: str, named: str | None, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        provider_of(repository(url), named)
    assert "hunter2" not in str(refused.value)
