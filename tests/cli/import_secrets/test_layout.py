"""Objects of a secrets bucket, as the hooks read them."""

from __future__ import annotations

import pytest

from mayfly_cli.ends import UsageError
from mayfly_cli.import_secrets.bucket import bucket_url
from mayfly_cli.import_secrets.layout import Kind, Listed, placed


def found(*keys: str, prefix: str = "", pipeline: str | None = None) -> list[tuple[str, ...]]:
    objects, _ = placed([Listed(key, 1) for key in keys], prefix, pipeline)
    return [(each.key, each.kind.name, each.folder, each.name) for each in objects]


@pytest.mark.parametrize(
    ("key", "kind", "folder", "name"),
    [
        ("private_ssh_key", "SSH_KEY", "global", "private_ssh_key"),
        ("id_rsa_github", "SSH_KEY", "global", "id_rsa_github"),
        ("env", "ENVIRONMENT", "global", "env"),
        ("environment", "ENVIRONMENT", "global", "environment"),
        ("git-credentials", "GIT_CREDENTIALS", "global", "git-credentials"),
        ("secret-files/NPM_TOKEN", "VARIABLE", "global", "NPM_TOKEN"),
        ("secret-files/deep/DB_PASSWORD", "VARIABLE", "global", "DB_PASSWORD"),
        ("secret-files/A_SECRET", "VARIABLE", "global", "A_SECRET"),
        ("secret-files/A_SECRET_KEY", "VARIABLE", "global", "A_SECRET_KEY"),
        ("secret-files/A_ACCESS_KEY", "VARIABLE", "global", "A_ACCESS_KEY"),
        ("app/private_ssh_key", "SSH_KEY", "app", "private_ssh_key"),
        ("my-app-2/env", "ENVIRONMENT", "my-app-2", "env"),
        ("app/secret-files/NPM_TOKEN", "VARIABLE", "app", "NPM_TOKEN"),
        ("app/git-credentials", "GIT_CREDENTIALS", "app", "git-credentials"),
        ("secret-files/kubeconfig", "OTHER", "", ""),
        ("app/secret-files/cert.pem", "OTHER", "", ""),
        ("README.md", "OTHER", "", ""),
        ("app/notes.txt", "OTHER", "", ""),
        ("my_app/env", "OTHER", "", ""),
        ("global/env", "OTHER", "", ""),
        ("app/sub/env", "OTHER", "", ""),
        ("private_ssh_key.pub", "OTHER", "", ""),
    ],
)
def test_an_object_is_what_its_name_says(key: str, kind: str, folder: str, name: str) -> None:
    assert found(key) == [(key, kind, folder, name)]
    below = found(f"ci/{key}", "ci/x/env", prefix="ci/")
    assert (f"ci/{key}", kind, folder, name) in below


def test_objects_come_in_the_hooks_order_and_folder_markers_not_at_all() -> None:
    keys = (
        "app/secret-files/A_TOKEN",
        "app/environment",
        "app/env",
        "app/",
        "zz",
        "env",
        "app/id_rsa_github",
    )
    assert [each[0] for each in found(*keys)] == [
        *("env", "app/id_rsa_github", "app/env", "app/environment", "app/secret-files/A_TOKEN"),
        "zz",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "prefix", "pipeline", "folders", "said"),
    [
        (["env"], "", None, {"global"}, ""),
        (["app/env"], "app/", None, {"app"}, "app/ is taken as the folder of pipeline app"),
        (["ci/app/env"], "ci/app/", None, {"app"}, "ci/app/ is taken as the folder"),
        (["ci/env", "ci/app/env"], "ci/", None, {"global", "app"}, "ci/ is taken as a root"),
        (["app/secret-files/A_TOKEN"], "app/", None, {"app"}, "folder of pipeline app"),
        (["my_ci/env"], "my_ci/", None, {"global"}, "my_ci/ is taken as a root"),
        (["x/env"], "x/", "other", {"other"}, "x/ is taken as the folder of pipeline other"),
        (["env"], "", "other", {"other"}, "everything is taken as of pipeline other"),
    ],
)
def test_a_prefix_is_a_pipelines_folder_or_a_root(
    keys: list[str], prefix: str, pipeline: str | None, folders: set[str], said: str
) -> None:
    objects, how = placed([Listed(key, 1) for key in keys], prefix, pipeline)
    assert {each.folder for each in objects} == folders
    assert how.startswith(said) if said.startswith(prefix or "-") else said in how


def test_what_means_nothing_says_why() -> None:
    objects, _ = placed([Listed("secret-files/x", 1), Listed("my_app/env", 1)], "", None)
    assert [each.why.split(" ", 2)[:2] for each in objects] == [["my_app", "is"], ["the", "hooks"]]
    assert {each.kind for each in objects} == {Kind.OTHER}


@pytest.mark.parametrize("pipeline", ["global", "my_app", "-x", "", "a/b"])
def test_a_pipeline_that_is_no_slug_is_refused(pipeline: str) -> None:
    with pytest.raises(UsageError, match="is not the slug of a pipeline"):
        placed([Listed("env", 1)], "", pipeline)


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://acme-secrets", "acme-secrets", ""),
        ("s3://acme-secrets/", "acme-secrets", ""),
        ("s3://acme.secrets/app", "acme.secrets", "app/"),
        ("s3://acme-secrets/ci/app/", "acme-secrets", "ci/app/"),
    ],
)
def test_an_address_names_bucket_and_prefix(text: str, bucket: str, prefix: str) -> None:
    where = bucket_url(text)
    assert (where.bucket, where.prefix) == (bucket, prefix)


@pytest.mark.parametrize(
    "text", ["", "acme", "https://acme", "s3://", "s3://A", "s3://a", "S3://acme"]
)
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an address of a bucket"):
        bucket_url(text)
