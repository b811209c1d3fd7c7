"""Pipelines as nobody should write them. Each is built, or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

ATTRIBUTES = (
    *("command", "commands", "label", "name", "key", "id", "type", "agents", "env", "if"),
    *("branches", "depends_on", "allow_dependency_failure", "priority", "skip", "retry"),
    *("timeout_in_minutes", "parallelism", "soft_fail", "artifact_paths", "plugins", "matrix"),
    *("concurrency", "concurrency_group", "concurrency_method", "secrets", "image", "notify"),
    *("cache", "checkout", "if_changed", "signature", "cancel_on_build_failing"),
)
"""Attributes of a command step."""
OTHERS = (
    *("continue_on_failure", "prompt", "fields", "blocked_state", "allowed_teams", "steps"),
    *("group", "trigger", "build", "async", "block", "input", "wait"),
)
"""Attributes of other steps."""
WHOLE = ("env", "agents", "notify", "image", "secrets", "priority", "cache", "checkout", "steps")
"""Attributes of a pipeline."""
VALUES: Mapping[str, str] = {
    "null": "~",
    "empty text": "''",
    "empty list": "[]",
    "empty mapping": "{}",
    "number": "7",
    "negative": "-3",
    "huge": "1" + "0" * 40,
    "endless": "1" + "0" * 5000,
    "fraction": "1.5",
    "not a number": ".nan",
    "truth": "true",
    "date": "2026-13-45",
    "list of null": "[~]",
    "list of lists": "[[a], [[b]]]",
    "list of mappings": "[{a: {b: c}}]",
    "mapping of null": "{a: ~}",
    "mapping of lists": "{a: [1, {b: 2}]}",
    "numbers as keys": "{1: a, 2.5: b, true: c, ~: d}",
    "other digits": "'²'",
    "two signs": "'--5'",
    "binary": "!!binary aGVsbG8=",
    "set": "!!set {a, b}",
    "python": "!!python/object:os.system x",
    "wrong number": "!!int x",
    "wrong truth": "!!bool maybe",
    "half a character": r'"\ud800"',
    "zero": r'"\0"',
    "newlines": r'"a\nb"',
    "bracket": "'http://[x'",
    "variable": "'${'",
}

WHOLE_FILES: Mapping[str, str] = {
    "nothing": "",
    "null": "~",
    "text": "hello",
    "number": "7",
    "list of null": "[~]",
    "list of lists": "[[wait]]",
    "empty step": "steps: [{}]",
    "null step": "steps: [~]",
    "number step": "steps: [7]",
    "number as key": "steps: [{7: x}]",
    "null as key": "steps: [{~: x}]",
    "list as key": "steps: [{? [a] : x}]",
    "mapping as key": "steps: [{? {a: b} : x}]",
    "doubled key": "steps: [{command: a, command: b}]",
    "doubled keys of two types": "steps: [{command: a, env: {1: a, '1': b}}]",
    "merge": "x: &x {command: a}\nsteps: [{<<: *x, label: l}]",
    "merge of a number": "steps: [{<<: 3, command: a}]",
    "merge of a list": "steps: [{<<: [{command: a}, {label: b}]}]",
    "unknown alias": "steps: [*x]",
    "alias of itself": "steps: &a [*a]",
    "mapping in itself": "env: &e {A: *e}\nsteps: [{command: x}]",
    "merge of itself": "steps: [&a {<<: *a, command: x}]",
    "deep lists": f"steps: {'[' * 3000}{']' * 3000}",
    "deep mappings": "steps: [{command: x, env: " + "{a: " * 2000 + "b" + "}" * 2000 + "}]",
    "deep blocks": "".join(f"{' ' * depth}a:\n" for depth in range(2000)),
    "unfolding aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    + "steps: [{command: x}]",
    "deep aliases": "a0: &a0 [x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))
    + "steps: [{command: x}]",
    "doubling variables": "env:\n  A0: xxxxxxxxxx\n"
    + "".join(f"  A{n}: $A{n - 1}$A{n - 1}\n" for n in range(1, 60))
    + "steps: [{command: x}]",
    "nested defaults": f"steps: [{{command: '{'${A:-' * 3000}x{'}' * 3000}'}}]",
    "nested brackets": f"steps: [{{command: x, if: '{'(' * 3000}true{')' * 3000}'}}]",
    "many negations": f"steps: [{{command: x, if: '{'!' * 3000}true'}}]",
    "nested expression": f"steps: [{{command: x, if: 'build.branch =~ /{'(' * 3000}/'}}]",
    "endless number in a condition": f"steps: [{{command: x, if: 'build.number == {'9' * 5000}'}}]",
    "many wildcards": f"steps: [{{command: x, branches: '{'m*' * 400}x'}}]",
    "millions of jobs": "steps: [{command: x, parallelism: 2000000000}]",
    "billions of combinations": "steps: [{command: x, matrix: {setup: {"
    + ", ".join(f"{name}: [{', '.join(map(str, range(20)))}]" for name in "abcdef")
    + "}}}]",
    "unknown dimension": "steps: [{command: '{{matrix.a}}', matrix: [b]}]",
    "list as type": "steps: [{type: [command], command: x}]",
    "group in a group": "steps: [{group: a, steps: [{group: b, steps: [{command: x}]}]}]",
    "empty group": "steps: [{group: a, steps: []}]",
    "group of nothing": "steps: [{group: a}]",
    "blank in a queue": "steps: [{command: x, agents: {queue: 'a b'}}]",
    "empty queue": "steps: [{command: x, agents: {queue: ''}}]",
    "null queue": "steps: [{command: x, agents: {queue: ~}}]",
    "queue of half a character": r'steps: [{command: x, agents: {queue: "\ud800"}}]',
    "required field": "steps: [{block: b, fields: [{text: Name, key: name}]}]",
    "inputs that wait for later ones": "steps:\n- {command: x, depends_on: k0}\n"
    + "".join(f"- {{input: b, key: k{n}, depends_on: k{n + 1}}}\n" for n in range(480))
    + "- {command: y, key: k480}\n",
    "triggers that wait for later ones": "steps:\n- {command: x, depends_on: k0}\n"
    + "".join(f"- {{trigger: b, key: k{n}, depends_on: k{n + 1}}}\n" for n in range(480))
    + "- {command: y, key: k480}\n",
    "waits and waits": "steps:\n" + "- {command: x}\n- wait\n" * 240,
    "longest timeout": "steps: [{command: x, timeout_in_minutes: 2147483647}]",
    "odd names of variables": r'{env: {"": a, "A=B": b, "\0": c, "A B": d}, steps: [{command: x}]}',
    "control characters": "steps: [{command: '\x07'}]",
    "two documents": "steps: [{command: x}]\n---\nsteps: [{command: y}]",
    "carriage returns": "steps:\r\n- command: x\r\n",
    "byte order mark": "\ufeffsteps: [{command: x}]",
    "tab": "steps:\n\t- command: x",
}


def all_of_them() -> Iterator[tuple[str, str]]:
    """Name and text of each odd pipeline."""
    yield from WHOLE_FILES.items()
    for what, value in VALUES.items():
        for name in ATTRIBUTES:
            step = f"{name}: {value}" + ("" if name == "command" else ", command: x")
            yield f"{name}: {what}", f"steps: [{{{step}}}]"
        for name in OTHERS:
            yield f"{name}: {what}", f"steps: [{{{name}: {value}}}]"
        for name in WHOLE:
            steps = "" if name == "steps" else "steps: [{command: x}]"
            yield f"whole {name}: {what}", f"{name}: {value}\n{steps}\n"
        for kind, inner in (
            ("retry", "{automatic: V}"),
            ("retry", "{manual: V}"),
            ("retry", "{automatic: [{exit_status: V, limit: V}]}"),
            ("matrix", "{setup: V, adjustments: V}"),
            ("matrix", "{setup: [a], adjustments: [{with: V, skip: V, soft_fail: V}]}"),
            ("depends_on", "[{step: V}]"),
            ("soft_fail", "[{exit_status: V}]"),
            ("plugins", "[{a: V}]"),
            ("env", "{A: V}"),
            ("agents", "{queue: V}"),
            ("agents", "[V]"),
            ("checkout", "{skip: V}"),
            ("checkout", "{depth: V}"),
            ("checkout", "{flags: {clone: V}, sparse: {paths: V}, ssh_secret: V}"),
            ("cache", "{paths: V, name: V, size: V}"),
        ):
            text = inner.replace("V", value)
            yield f"{kind}: {inner}: {what}", f"steps: [{{command: x, {kind}: {text}}}]"
        for inner in (
            "block: b, fields: [V]",
            "block: b, fields: [{text: V, key: V}]",
            "block: b, fields: [{select: s, key: k, default: V, options: [{label: V, value: V}]}]",
            "trigger: t, build: {branch: V, env: {A: V}, meta_data: V}",
            "group: g, steps: [V]",
            "group: g, steps: [{command: V}]",
        ):
            yield f"{inner}: {what}", f"steps: [{{{inner.replace('V', value)}}}]"
