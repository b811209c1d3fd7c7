"""Keys of a job for the hooks of everybody, in the order of each kind of agent.

3.83 takes one hooks path. From 3.89 an agent takes the operators' hooks as a second one. 4 runs the
hooks after checkout and command in reverse order.

Sources: buildkite/agent, internal/job/hooks.go (the order of v4), executor.go
(`getAllGlobalHookPaths`), hook/wrapper.go; buildkite/docs, agent/v3_v4_upgrade_guide.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

import mayfly_instance
from mayfly_instance import hook_links, image
from mayfly_instance.agent import Agent
from tests.instance.worlds import World

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))), reason="there is no ssh"
)
PATIENCE = 60
"""Seconds until an ssh-agent that does not listen is given up."""
LINKS = {"environment": "give-secrets", "pre-checkout": "lend-key", "post-checkout": "take-key"}
LATER = ("pre-command", "post-command", "pre-exit")
HOOKS = {
    "operator": (*LINKS, *LATER),
    "repository": ("post-checkout", *LATER),
    "plugin": (*LINKS, *LATER),
}
"""Names of the hooks of each owner. A repository has none before its checkout."""
REVERSED = ("post-checkout", "post-command", "pre-exit")
LOOK = """\
#!/bin/bash
read -r _ _ key _ < <(ssh-add -l 2>/dev/null)
echo "{name}: $key" >>'{seen}'
"""
"""A hook that tells which key git would have at its moment."""
SOURCE = 'source "$1"; code=$?; env -0 >"$2"; exit $code'
BEFORE = [
    "operator environment: plugins",
    "checkout of plugins: plugins",
    "plugin environment: plugins",
    "operator pre-checkout: repository",
    "plugin pre-checkout: repository",
    "checkout: repository",
]
V3 = [
    *BEFORE,
    *(f"{owner} post-checkout: plugins" for owner in HOOKS),
    *(f"{owner} pre-command: plugins" for owner in HOOKS),
    "command: plugins",
    *(f"{owner} post-command: plugins" for owner in HOOKS),
    *(f"{owner} pre-exit: plugins" for owner in HOOKS),
]
V4 = [
    *BEFORE,
    "plugin post-checkout: repository",
    "repository post-checkout: repository",
    "operator post-checkout: plugins",
    *(f"{owner} pre-command: plugins" for owner in HOOKS),
    "command: plugins",
    *(f"{owner} post-command: plugins" for owner in reversed(HOOKS)),
    *(f"{owner} pre-exit: plugins" for owner in reversed(HOOKS)),
]


def kept(order: Sequence[str]) -> list[str]:
    """The order in a queue that leaves the key to the command."""
    first = order.index("checkout: repository")
    return [*order[:first], *(line.replace(": plugins", ": repository") for line in order[first:])]


class InOrder:
    """Runs hooks as an agent does: each is sourced by a shell of its own, and the variables that
    it leaves are those of the next one."""

    def __init__(self, root: Path, agents_hooks: Sequence[Path], version: tuple[int, ...]) -> None:
        self.root = root
        self.version = version
        self.scopes = [list(agents_hooks), [root / "repository"], [root / "plugin"]]
        self.variables = {"PATH": os.environ["PATH"]}

    def run_job(self) -> list[str]:
        """What observers told in the phases of a job; the agent's own work is one, too."""
        agents_hooks, _, plugins_hooks = self.scopes
        self.source(agents_hooks, "environment")
        self.look("checkout of plugins")
        self.source(plugins_hooks, "environment")
        self.phase("pre-checkout")
        self.look("checkout")
        self.phase("post-checkout")
        self.phase("pre-command")
        self.look("command")
        self.phase("post-command")
        self.phase("pre-exit")
        return (self.root / "seen").read_text().splitlines()

    def phase(self, name: str) -> None:
        backwards = self.version >= (4, 0) and name in REVERSED
        for scope in reversed(self.scopes) if backwards else self.scopes:
            self.source(scope, name)

    def source(self, places: Sequence[Path], name: str) -> None:
        for hook in (place / name for place in places):
            if hook.exists():
                after = self.root / "after"
                command = ["/bin/bash", "-c", SOURCE, "agent", str(hook), str(after)]
                subprocess.run(command, env=self.variables, check=True)
                pairs = after.read_text().rstrip("\0").split("\0")
                self.variables = dict(pair.split("=", 1) for pair in pairs)

    def look(self, name: str) -> None:
        observe(self.root, self.root / "work", name)
        self.source([self.root], "work")


def observe(root: Path, file: Path, name: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(LOOK.format(name=name, seen=root / "seen"))


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as closing:
        yield closing


def ssh_agent(closing: ExitStack, root: Path, name: str) -> tuple[Path, int]:
    """Socket and pid of an ssh-agent with a new key of this name."""
    socket, key = root / f"{name}.socket", root / f"{name}.key"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    closing.callback(agent.wait)
    closing.callback(agent.kill)
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
    subprocess.run(make, check=True)
    end = time.monotonic() + PATIENCE
    environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
    while subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=False).returncode:
        assert time.monotonic() < end, "ssh-agent takes no key"
        time.sleep(0.005)
    return socket, agent.pid


@pytest.mark.parametrize(
    ("version", "keep", "order"),
    [
        ((3, 83), "", V3),
        ((3, 83), "yes", kept(V3)),
        ((3, 89), "", V3),
        ((3, 89), "yes", kept(V3)),
        ((4, 0), "", V4),
        ((4, 0), "yes", kept(V4)),
    ],
)
def test_each_hook_has_the_key_of_its_moment(
    world: World,
    closing: ExitStack,
    tmp_path_factory: pytest.TempPathFactory,
    version: tuple[int, ...],
    keep: str,
    order: list[str],
) -> None:
    root = tmp_path_factory.mktemp("job")
    machine = world.machine
    ours, theirs = machine.places.hooks, machine.places.operator_hooks
    shutil.copytree(Path(mayfly_instance.__file__ or "").parent / "hooks", ours)
    for owner, names in HOOKS.items():
        for name in names:
            place = theirs if owner == "operator" else root / owner
            observe(root, place / name, f"{owner} {name}")
    additional = version >= (3, 89)
    image.install_hooks(machine, Agent("", "", additional_hooks=additional, token_by_file=False))
    for name, script in LINKS.items():
        hook_links.link(machine, name, script)
    shared, _ = ssh_agent(closing, root, "plugins")
    own, pid = ssh_agent(closing, root, "repository")
    (ours / "notes").write_text("")
    (ours / "given").write_text(
        f"shared='{shared}'\nrepository='{own}'\npid='{pid}'\nkeep='{keep}'\n"
    )

    paths = [ours, theirs] if additional else [ours]
    assert InOrder(root, paths, version).run_job() == order
