"""Build matrices: one step template for many jobs.

Source: buildkite/docs pipelines/configure/workflows/build_matrix.md; the tokens as in
buildkite/go-pipeline interpolate_matrix.go.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .reader import Reader
from .reasons import skip_reason
from .retries import soft_fail
from .sections import PipelineError, Section, scalar_text
from .steps import CommandStep, Permutation

MAX_DIMENSIONS, MAX_ELEMENTS, MAX_ADJUSTMENTS, MAX_JOBS = 6, 20, 12, 50
_ANONYMOUS = ""
_TOKEN = re.compile(r"\{\{\s*matrix(?:\.([\w.-]+))?\s*\}\}")


def matrix(reader: Reader) -> tuple[Permutation, ...] | None:
    """All combinations with adjustments applied; None without a matrix."""
    value = reader.raw("matrix")
    if value is None:
        return None
    if isinstance(value, list):
        value = Section({"setup": value}, reader.line)
    if not isinstance(value, Section):
        raise reader.error("matrix must be a list, or a mapping with `setup`")
    inner = reader.nested("matrix", value)
    inner.refuse_unknown({"setup", "adjustments"})
    setup = _setup(inner)
    names = list(setup)
    # Before they are made: six dimensions of twenty elements are 64 million combinations.
    _check_number(inner, math.prod(len(values) for values in setup.values()))
    combinations = [
        Permutation(dict(zip(names, values, strict=True)))
        for values in itertools.product(*setup.values())
    ]
    for adjustment in _adjustments(inner, names):
        same = [one for one in combinations if one.values == adjustment.values]
        if same:
            combinations[combinations.index(same[0])] = adjustment
        else:
            combinations.append(adjustment)
    _check_number(inner, len(combinations))
    return tuple(combinations)


def permuted(step: CommandStep, permutation: Permutation) -> CommandStep:
    """The step with one combination filled in: commands, label, environment, plugins and agents.

    Raises:
        PipelineError: the step names a dimension that the matrix does not have; the reason names
            the step.
    """
    try:
        return _permuted(step, permutation)
    except PipelineError as error:
        name = step.key or step.label or step.command
        raise PipelineError(error.words, place=f"step {name!r}") from None


def _permuted(step: CommandStep, permutation: Permutation) -> CommandStep:
    values = permutation.values
    agents = tuple(_fill(rule, values) for rule in step.agents)
    queues = [rule.removeprefix("queue=") for rule in agents if rule.startswith("queue=")]
    return replace(
        step,
        label=_fill(step.label, values),
        command=_fill(step.command, values),
        env={name: _fill(value, values) for name, value in step.env.items()},
        plugins=_fill_all(list(step.plugins), values),
        agents=agents,
        queue=queues[-1] if queues else step.queue,
        skip=step.skip or permutation.skip,
        soft_fail=permutation.soft_fail or step.soft_fail,
    )


def _check_number(reader: Reader, number: int) -> None:
    if number > MAX_JOBS:
        raise reader.error(f"a matrix makes at most {MAX_JOBS} jobs, not {number}")


def _setup(reader: Reader) -> dict[str, list[str]]:
    setup = reader.raw("setup")
    if isinstance(setup, list):
        setup = {_ANONYMOUS: setup}
    if not isinstance(setup, Mapping) or not setup:
        raise reader.error("setup must be a list, or a mapping of dimensions to lists")
    if len(setup) > MAX_DIMENSIONS:
        raise reader.error(f"a matrix has at most {MAX_DIMENSIONS} dimensions")
    return {name: _elements(reader, values) for name, values in setup.items()}


def _elements(reader: Reader, values: object) -> list[str]:
    entries = values if isinstance(values, list) else [values]
    if not entries or len(entries) > MAX_ELEMENTS:
        raise reader.error(f"a dimension has 1 to {MAX_ELEMENTS} elements")
    return [_element(reader, value) for value in entries]


def _element(reader: Reader, value: object) -> str:
    text = scalar_text(value)
    if text is None:
        raise reader.error("the elements of a matrix must be text, numbers or true/false")
    return text


def _adjustments(reader: Reader, names: list[str]) -> list[Permutation]:
    entries = reader.raw("adjustments") or []
    if not isinstance(entries, list) or len(entries) > MAX_ADJUSTMENTS:
        raise reader.error(f"adjustments must be a list of at most {MAX_ADJUSTMENTS}")
    return [_adjustment(reader, entry, names) for entry in entries]


def _adjustment(reader: Reader, entry: object, names: list[str]) -> Permutation:
    if not isinstance(entry, Section) or "with" not in entry:
        raise reader.error("an adjustment is a mapping with `with`")
    inner = reader.nested("matrix adjustment", entry)
    inner.refuse_unknown({"with", "skip", "soft_fail"})
    chosen = entry["with"]
    if names == [_ANONYMOUS]:
        [single] = chosen if isinstance(chosen, list) and len(chosen) == 1 else [chosen]
        chosen = {_ANONYMOUS: single}
    if not isinstance(chosen, Mapping) or set(chosen) != set(names):
        raise inner.error("`with` must name every dimension of the matrix")
    return Permutation(
        values={name: _element(inner, chosen[name]) for name in names},
        skip=skip_reason(inner),
        soft_fail=soft_fail(inner) if "soft_fail" in entry else None,
    )


def _fill(text: str, values: Mapping[str, str]) -> str:
    def value(token: re.Match[str]) -> str:
        name = token[1] or _ANONYMOUS
        if name not in values:
            known = f"matrix.{name}" if name else "matrix"
            raise PipelineError(f"unknown matrix tokens in input: {known}")
        return values[name]

    return _TOKEN.sub(value, text)


def _fill_all(content: Any, values: Mapping[str, str]) -> Any:
    if isinstance(content, Mapping):
        return {_fill(str(key), values): _fill_all(inner, values) for key, inner in content.items()}
    if isinstance(content, list):
        return [_fill_all(entry, values) for entry in content]
    return _fill(content, values) if isinstance(content, str) else content
