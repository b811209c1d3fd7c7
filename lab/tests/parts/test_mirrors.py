"""The lab's mirrors of repositories that it cannot reach."""

from __future__ import annotations

from emulator.buildkite_client import contract


def test_jobs_of_a_mirrored_repository_clone_the_mirror() -> None:
    with contract(stack=False) as bk:
        mirrors = bk.buildkite.settings.mirrors
        mirrors["https://git.example.org/demo.git"] = "http://127.0.0.1/demo.git"
        env = bk.agent().acquire(bk.one_job()).json()["env"]
    assert env["BUILDKITE_REPO"] == "http://127.0.0.1/demo.git"
