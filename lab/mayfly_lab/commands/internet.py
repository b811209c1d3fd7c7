"""Refuses a build that needs plugins or submodules from the internet: machines do not reach it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from buildkite_emulator import JobView
from buildkite_emulator.pipelines.plugins import full_source
from mayfly_cli.ends import UsageError
from mayfly_lab.commands.source import MODULES, Source

_SCP = re.compile(r"(?:[^/@]+@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?!//)")
_URL = re.compile(r"\s*url\s*=\s*(?P<url>\S+)\s*(?:[#;].*)?")
_WITHOUT_MODULES = re.compile(r"^\s*no-git-submodules\s*=\s*[\"']?true[\"']?\s*$", re.MULTILINE)
_STRING = "tag:yaml.org,2002:str"


def require_local(
    file: Path, source: Source, jobs: Sequence[JobView], configs: Mapping[str, str]
) -> None:
    """Return only if no job needs a plugin or a submodule from the internet.

    `file` is the pipeline's file, `configs` the parameter `agent/config` by queue.

    Raises:
        UsageError: a plugin or submodule is not local; the message has its file and line.
    """
    for plugin in dict.fromkeys(each for job in jobs if not job.outcome for each in job.plugins):
        if is_remote(plugin):
            line = _line_of(plugin, source.pipeline)
            raise UsageError(
                f"{file}{f':{line}' if line else ''}: the plugin {plugin} is on the internet, which"
                " the lab does not reach; copy the plugin into the repository and name its path"
                " (./…)"
            )
    if all(_WITHOUT_MODULES.search(configs.get(job.queue, "")) for job in jobs):
        return
    for line, url in _modules(source.modules):
        # The lab's server has the build's repository only, so a relative address leads nowhere.
        if is_remote(url) or url.startswith(("./", "../")):
            queue = jobs[0].queue
            raise UsageError(
                f"{MODULES}:{line}: the submodule {url} is outside the repository, and the lab"
                " serves no other; --parameter"
                f" {queue}/agent/config=no-git-submodules=true leaves submodules out"
            )


def is_remote(address: str) -> bool:
    """Whether a plugin's full source, or git's address of a repository, names another host."""
    if address.startswith(("/", ".", "\\")):
        return False
    if scp := _SCP.match(address):
        return not _is_loopback(scp["host"])
    try:
        url = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:  # brackets that hold no IPv6 address
        return True
    return url.scheme != "file" and not _is_loopback(url.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _line_of(plugin: str, pipeline: str) -> int | None:
    """The first line that names the plugin, if need be in another version (a variable's).

    None where a variable names the whole plugin.
    """
    names = list(_names(yaml.compose(pipeline, yaml.SafeLoader)))
    lines = {full_source(node.value): node.start_mark.line + 1 for node in reversed(names)}
    alike = {source.partition("#")[0]: line for source, line in reversed(lines.items())}
    return lines.get(plugin) or alike.get(plugin.partition("#")[0])


def _names(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """Every text in a YAML document, keys of mappings included, in order."""
    match node:
        case yaml.ScalarNode(tag=tag) if tag == _STRING:
            yield node
        case yaml.SequenceNode():
            for entry in node.value:
                yield from _names(entry)
        case yaml.MappingNode():
            for key, value in node.value:
                yield from _names(key)
                yield from _names(value)


def _modules(text: str) -> Iterator[tuple[int, str]]:
    """Line and address of each submodule in the text of `.gitmodules`."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _URL.fullmatch(line):
            yield number, found["url"].strip('"')
