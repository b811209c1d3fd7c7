"""Variables out of parameters below `env/`: names as the layout gives them, and refused names."""

from __future__ import annotations

import pytest

from mayfly_protocol.variables import variable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The layout's own cases of key_to_env_name.
        ("access-token", "ACCESS_TOKEN"),
        ("ACCESS-TOKEN", "ACCESS_TOKEN"),
        ("ACCESS_TOKEN", "ACCESS_TOKEN"),
        ("fav-lesson", "FAV_LESSON"),
        ("_private", "_PRIVATE"),
        ("x", "X"),
        ("a1", "A1"),
    ],
)
def test_a_name_becomes_upper_case_with_underscores(name: str, expected: str) -> None:
    assert variable(name) == expected


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.b", "A.B is no name of a variable"),
        ("1abc", "1ABC is no name of a variable"),
        ("-", "_ cannot be set"),
        ("", " is no name of a variable"),
        ("a/b", "below env/ a name has one part"),
    ],
)
def test_a_name_that_no_shell_takes_is_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        variable(name)


@pytest.mark.parametrize(
    "name",
    [
        "path", "PATH", "env", "bash-env", "BASH_FUNC_ls", "ifs", "ps4", "shellopts", "tmpdir",
        "home", "user", "shell", "ld-preload", "LD_LIBRARY_PATH", "glibc-tunables", "openssl-conf",
        "buildkite-pipeline-slug", "BUILDKITE_REPO", "buildkite", "mayfly-policy", "godebug",
        "git-ssh", "git-ssh-command", "git-config-count", "git-config-key-0", "git-dir",
        "git-exec-path", "git-askpass", "git-config-token", "git-trace", "ssh-auth-sock",
        "ssh-askpass-require", "ssh-agent-pid", "python-path", "pythonpath", "perl5lib",
        "aws-container-credentials-full-uri", "aws-ec2-metadata-service-endpoint",
    ],
)  # fmt: skip
def test_a_name_on_which_shell_agent_git_ssh_or_mayfly_depend_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be set: "):
        variable(name)


@pytest.mark.parametrize(
    "name",
    [
        "aws-access-key-id", "aws-secret-access-key", "aws-session-token", "aws-region",
        "git-token", "git-password", "git-username", "git-author-name", "git-committer-email",
        "github-token", "ssh-password", "ssh-private-key", "npm-token", "docker-password",
        "https-proxy", "environment", "pathological", "my-path", "lang", "homepage",
    ],
)  # fmt: skip
def test_usual_names_of_secrets_are_allowed(name: str) -> None:
    assert variable(name) == name.upper().replace("-", "_")
