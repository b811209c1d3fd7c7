"""Repositories for the jobs' checkouts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from e2e.ssh_server import SshServer, serving
from mayfly_lab.lab import Lab

EVERY_BYTE = bytes(range(256)) * 8
_AUTHOR = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")


class Source:
    """A repository under construction, with a developer's work tree."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def commit(self, message: str, files: Mapping[str, str | bytes]) -> str:
        """Write files and commit them; scripts are executable. Returns the commit's id."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            if path.read_bytes().startswith(b"#!"):
                path.chmod(0o755)
        self.git("add", "--all")
        self.git(*_AUTHOR, "commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        """Run git in the work tree. Returns its output."""
        command = ("git", "-C", str(self.path), *arguments)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()


def add_history(lab: Lab) -> Mapping[str, str]:
    """Add the repository `history`: commits on main, the tag v1, the branch release/2.

    Returns the commits by name. The file STATE names its commit.
    """
    source = Source(lab.home / "history")
    commits = {"first": source.commit("Begin", {"STATE": "first\n", "every-byte": EVERY_BYTE})}
    commits["v1"] = source.commit("Release 1", {"STATE": "v1\n"})
    source.git("tag", "v1")
    source.git("checkout", "--quiet", "-b", "release/2")
    source.commit("Prepare release 2", {"STATE": "release/2\n"})
    source.git("checkout", "--quiet", "main")
    source.commit("Go on", {"STATE": "main\n"})
    lab.buildkite.add_repository("history", source.path)
    return commits


def add_submodule(lab: Lab) -> None:
    """Add the repository `with-submodule`; its submodule is beside it on the server."""
    library = Source(lab.home / "library")
    library.commit("Begin", {"NAME": "the library\n"})
    lab.buildkite.add_repository("library", library.path)
    source = Source(lab.home / "with-submodule")
    url = lab.buildkite.repository_url("library")
    # As written by `git submodule add ../library.git library`, without a call to the server.
    source.git("clone", "--quiet", url, "library")
    modules = '[submodule "library"]\n\tpath = library\n\turl = ../library.git\n'
    source.commit("Take the library in", {".gitmodules": modules})
    lab.buildkite.add_repository("with-submodule", source.path)


def add_hooks(lab: Lab) -> None:
    """Add the repository `with-hooks`: each hook prints its name, and fails if FAIL_IN names it."""
    source = Source(lab.home / "with-hooks")
    names = ("post-checkout", "pre-command", "post-command", "pre-exit")
    hooks = {f".buildkite/hooks/{name}": _hook(name) for name in names}
    hooks[".buildkite/hooks/pre-command"] += "export FROM_THE_HOOK='what it has set'\n"
    source.commit("Begin", hooks)
    lab.buildkite.add_repository("with-hooks", source.path)


def add_plugin(lab: Lab) -> None:
    """Add the repository `with-plugin` with the plugin `greet`."""
    source = Source(lab.home / "with-plugin")
    greet = ".buildkite/plugins/greet"
    files = {
        f"{greet}/plugin.yml": "name: Greet\nconfiguration: {properties: {name: {type: string}}}\n",
        f"{greet}/hooks/pre-command": "#!/bin/bash\necho hello, $BUILDKITE_PLUGIN_GREET_NAME\n",
        f"{greet}/hooks/environment": "#!/bin/bash\nexport GREETER=plugin\n",
    }
    source.commit("Begin", files)
    lab.buildkite.add_repository("with-plugin", source.path)


PIPELINE = """\
env:
  RESULT: all green
steps:
  - label: ":hammer: $BUILDKITE_BRANCH"
    key: build
    command:
      - mkdir out
      - echo "$$RESULT" >out/result
    artifact_paths: out/*
  - key: test
    depends_on: build
    command: |
      buildkite-agent artifact download out/result .
      echo "tested on $BUILDKITE_BRANCH: $$(cat out/result)"
"""


def add_pipeline_file(lab: Lab) -> None:
    """Add the repository `with-pipeline`, with its pipeline at the agent's default path."""
    source = Source(lab.home / "with-pipeline")
    source.commit("Begin", {".buildkite/pipeline.yml": PIPELINE})
    lab.buildkite.add_repository("with-pipeline", source.path)


def add_private(root: Path) -> None:
    """Make the repository `private.git` below a directory that no server of the lab serves."""
    source = Source(root / "private")
    source.commit("Begin", {"STATE": "private\n"})
    source.git("clone", "--quiet", "--bare", ".", str(root / "private.git"))


def add_owned(root: Path, name: str) -> None:
    """Make the repository `<name>.git`, such as `acme/app.git`, in which the file NAME names it."""
    folder = root / name
    folder.parent.mkdir(exist_ok=True)
    source = Source(folder)
    source.commit("Begin", {"NAME": f"the repository {name}\n"})
    source.git("clone", "--quiet", "--bare", ".", f"{folder}.git")


def change_private(root: Path) -> str:
    """Commit to the branch main of `private.git`. Returns the commit's id."""
    source = Source(root / "private-later")
    source.git("pull", "--quiet", str(root / "private.git"), "main")
    commit = source.commit("Go on", {"STATE": "private, and changed\n"})
    source.git("push", "--quiet", str(root / "private.git"), "main")
    return commit


def add_private_parts(root: Path) -> None:
    """Make `parts.git` with the submodule `library.git`, and the plugin `greeter.git`."""
    library = Source(root / "library")
    library.commit("Begin", {"NAME": "the library\n"})
    greeter = Source(root / "greeter")
    hook = "#!/bin/bash\necho hello from the plugin\n"
    greeter.commit("Begin", {"plugin.yml": "name: Greeter\n", "hooks/pre-command": hook})
    parts = Source(root / "parts")
    parts.git("clone", "--quiet", str(library.path), "library")
    modules = '[submodule "library"]\n\tpath = library\n\turl = ../library.git\n'
    parts.commit("Take the library in", {".gitmodules": modules})
    for each in (library, greeter, parts):
        each.git("clone", "--quiet", "--bare", ".", str(root / f"{each.path.name}.git"))


def add_private_with_hook(root: Path, url: Callable[[str], str]) -> None:
    """Make `hooked.git`, whose submodule is `library.git` by its whole address, and whose hook
    `post-checkout` tries to reach `library.git` once more."""
    hooked = Source(root / "hooked")
    hooked.git("clone", "--quiet", str(root / "library.git"), "library")
    modules = f'[submodule "library"]\n\tpath = library\n\turl = {url("library")}\n'
    hook = _REACHES.format(url=url("library"))
    hooked.commit("Begin", {".gitmodules": modules, ".buildkite/hooks/post-checkout": hook})
    hooked.git("clone", "--quiet", "--bare", ".", str(root / "hooked.git"))


_REACHES = """\
#!/bin/bash
reached=no; ! git ls-remote {url} >/dev/null 2>&1 || reached=yes
echo "post-checkout of the repository: $(ssh-add -l | cut -d' ' -f3-), reached: $reached"
"""


@contextmanager
def private_server(root: Path) -> Iterator[SshServer]:
    """A running server of all private repositories, which are made in this directory."""
    with serving(root) as server:
        add_private(root)
        add_private_parts(root)
        add_private_with_hook(root, server.url)
        yield server


def _hook(name: str) -> str:
    return f'#!/bin/bash\necho "{name} of the repository"\n[ "$FAIL_IN" != {name} ] || exit 41\n'
