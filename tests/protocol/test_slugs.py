"""Folders of secrets: slugs of repositories as teams have them already, and what has none."""

from __future__ import annotations

import re

import pytest

from mayfly_protocol.slugs import folders, pipeline_slug, repository_slug

LAYOUT = {
    "https://github.com/a/b.git": "github.com_a_b.git",
    "git@github.com:a/b.git": "github.com_a_b.git",
    "user@github.com:a/b.git": "github.com_a_b.git",
    "https://git@github.com/a/b.git": "github.com_a_b.git",
    "ssh://git@github.com/a/b.git": "github.com_a_b.git",
    "ssh://git@github.com:22/a/b.git": "github.com-22_a_b.git",
    "https://github.com:8080/a/b.git": "github.com-8080_a_b.git",
    "https://github.com:8080/~a/b.git": "github.com-8080__a_b.git",
}
"""The results that the layout's first implementation tests."""
OTHERS = {
    "ssh://git@your-scm.io:32200/hp/philosophers-stone.git": (
        "your-scm.io-32200_hp_philosophers-stone.git"
    ),
    "git@my-git.example.com:a/b.git": "my-git.example.com_a_b.git",
    "https://my-git.example.com/a/b.git": "my-git.example.com_a_b.git",
    "git@bitbucket.org:2fa/x.git": "bitbucket.org_2fa_x.git",
    "https://user:pass@github.com/a/b.git": "github.com_a_b.git",
    "git://github.com/a/b.git": "github.com_a_b.git",
    "https://github.com/a/b": "github.com_a_b",
    "https://github.com/a/b.git/": "github.com_a_b.git",
    "git@host:/a/b.git": "host_a_b.git",
    "https://GitHub.com/A/b.git": "GitHub.com_A_b.git",
    "https://gitlab.com/a/b/c.git": "gitlab.com_a_b_c.git",
}
NONE = [
    "git@host:123/repo.git",
    "https://evil.example/x//github.com/a/b.git",
    "https://evil.example/x@github.com/a/b.git",
    "https://github.com/a/b@c.git",
    "https://github.com//a/b.git",
    "https://github.com/../b.git",
    "https://github.com/a/./b.git",
    "https://github.com/a/b+c.git",
    "https://github.com/a/b.git?x",
    "https://github.com/a/b.git\n",
    "https://github.com\\@evil.example/a/b.git",
    "file:///srv/git/a.git",
    "ext::sh -c id",
    "/srv/a.git",
    "github.com:a/b.git",
    "-oProxyCommand=id@host:a/b.git",
    "",
]


@pytest.mark.parametrize(("url", "slug"), [*LAYOUT.items(), *OTHERS.items()])
def test_a_clone_url_has_the_slug_of_the_layout(url: str, slug: str) -> None:
    assert repository_slug(url) == slug


@pytest.mark.parametrize("url", NONE)
def test_a_text_that_git_could_read_otherwise_has_no_slug(url: str) -> None:
    assert repository_slug(url) is None


@pytest.mark.parametrize("url", [*LAYOUT, *OTHERS])
def test_a_repository_slug_is_a_part_of_a_parameters_name_and_no_pipeline_slug(url: str) -> None:
    slug = repository_slug(url)
    assert slug is not None
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", slug)
    assert pipeline_slug(slug) is None


@pytest.mark.parametrize("slug", ["", "global", "-a", "a_b", "a.b", "a/b", "a b", "..", "a\n", "ä"])
def test_a_text_that_is_no_slug_of_a_pipeline_has_no_folder(slug: str) -> None:
    assert pipeline_slug(slug) is None


def test_the_folders_of_a_job_come_with_the_weightiest_last() -> None:
    assert folders("web", "git@github.com:a/b.git") == ("global", "github.com_a_b.git", "web")
    assert folders("global", "/srv/a.git") == ("global",)
