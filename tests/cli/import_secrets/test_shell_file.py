"""Environment files as bash means them, as far as they are assignments."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly_cli.import_secrets.shell_file import parse

PLAIN: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("\n\n  \n", {}),
    ("# a comment\n  # another\n", {}),
    ("A=1", {"A": "1"}),
    ("A=1\nB=2\n", {"A": "1", "B": "2"}),
    ("export A=1", {"A": "1"}),
    ("export\tA=1 B=2\n", {"A": "1", "B": "2"}),
    ("  A=1 B=2 # both\n", {"A": "1", "B": "2"}),
    ("A=1; B=2;\nC=3", {"A": "1", "B": "2", "C": "3"}),
    ("A=\nB=''\n", {"A": "", "B": ""}),
    ("A='a b'", {"A": "a b"}),
    ('A="a b"', {"A": "a b"}),
    ("A='$HOME `x` \\n \"q\"'", {"A": '$HOME `x` \\n "q"'}),
    ('A="it\'s \\"here\\" \\$5 \\\\ \\x \\`"', {"A": 'it\'s "here" $5 \\ \\x `'}),
    ("A='one\ntwo\n'\nB=2", {"A": "one\ntwo\n", "B": "2"}),
    ('A="one\ntwo"\nB=2', {"A": "one\ntwo", "B": "2"}),
    ("A='a'\"b\"c\\ d", {"A": "abc d"}),
    ("A=one\\\ntwo\nB=2", {"A": "onetwo", "B": "2"}),
    ('A="one\\\ntwo"', {"A": "onetwo"}),
    ("A=1 \\\n  B=2\n", {"A": "1", "B": "2"}),
    ("A=a#b # c", {"A": "a#b"}),
    ("A=#", {"A": "#"}),
    ("A=a=b==", {"A": "a=b=="}),
    ("A=https://user:pass@host/x?y=z", {"A": "https://user:pass@host/x?y=z"}),
    ("A=*.example.org B=[x] C=?", {"A": "*.example.org", "B": "[x]", "C": "?"}),
    ('A={"x":1}', {"A": "{x:1}"}),
    ("A=a~b", {"A": "a~b"}),
    ("A='~'", {"A": "~"}),
    ("A=100$\nB=$ C=a$,b", {"A": "100$", "B": "$", "C": "a$,b"}),
    ('A="100$"', {"A": "100$"}),
    ("A=1\nA=2", {"A": "2"}),
    ("export A='x' # y\nexport B=\"z\"", {"A": "x", "B": "z"}),
    ("A=ä€ß", {"A": "ä€ß"}),
    ("A=!x", {"A": "!x"}),
    ("a_b1=x", {"a_b1": "x"}),
)
MORE: tuple[tuple[str, dict[str, str], dict[int, str]], ...] = (
    ("echo hi\nA=1", {"A": "1"}, {1: "a command"}),
    ("A=1 echo hi\nB=2", {"B": "2"}, {1: "a command"}),
    ("A=1; rm -rf x\nB=2", {"A": "1", "B": "2"}, {1: "a command"}),
    ("source x\n. y\nA=1", {"A": "1"}, {1: "a command", 2: "a command"}),
    ("A=$B\nC=1", {"C": "1"}, {1: "a variable in its value"}),
    ("A=${B}/x\nC=1", {"C": "1"}, {1: "a variable in its value"}),
    ('A="x $B"\nC=1', {"C": "1"}, {1: "a variable in its value"}),
    ("A=$(date)\nC=1", {"C": "1"}, {1: "the output of a command"}),
    ("A=`date`\nC=1", {"C": "1"}, {1: "the output of a command"}),
    ("A=$'x'\nB=$\"x\"\nC=1", {"C": "1"}, {1: "after a dollar", 2: "after a dollar"}),
    ("A=~/x\nB=a:~\nC=1", {"C": "1"}, {1: "home directory", 2: "home directory"}),
    ("A+=x\nC=1", {"C": "1"}, {1: "adds to a value"}),
    ("A[0]=x\nC=1", {"C": "1"}, {1: "an array"}),
    ("A=(x y)\nC=1", {"C": "1"}, {1: "an array"}),
    ("export A\nC=1", {"C": "1"}, {1: "without a value"}),
    ("export A={a,b}\nC=1", {"C": "1"}, {1: "braces"}),
    ("readonly A=1\ndeclare B=2\nC=1", {"C": "1"}, {1: "a command", 2: "a command"}),
    ("unset A\nset +x\nC=1", {"C": "1"}, {1: "a command", 2: "a command"}),
    ("[ -n x ] && A=1\nC=1", {"C": "1"}, {1: "a command"}),
    ("1A=x\nA-B=y\nC=1", {"C": "1"}, {1: "a command", 2: "a command"}),
    ("A=x>y\nC=1", {"C": "1"}, {1: "a command"}),
    ("A=a\0b\nC=1", {"C": "1"}, {1: "a NUL"}),
    # What may reach over further lines takes them along.
    ("if true; then\nA=1\nfi\nB=2", {}, {1: "a command", 2: "line 1 may reach"}),
    ("A=1\nf() {\nB=2\n}\nC=3", {"A": "1"}, {2: "a command", 3: "line 2 may reach"}),
    ("cat <<EOF\nA=1\nEOF\nB=2", {}, {1: "a command", 2: "line 1 may reach"}),
    ("{\nA=1\n}", {}, {1: "a command", 2: "line 1 may reach"}),
    ("x && \\\nA=1", {}, {1: "a command", 2: "line 1 may reach"}),
    ("x |\nA=1", {}, {1: "a command", 2: "line 1 may reach"}),
    ("exit 0\nA=1", {}, {1: "a command", 2: "line 1 may reach"}),
    ("return\nA=1", {}, {1: "a command", 2: "line 1 may reach"}),
    ("A='open\nB=1", {}, {1: "without its end", 2: "line 1 may reach"}),
    ('echo "open\nB=1\n"', {}, {1: "a command", 2: "line 1 may reach"}),
    ("A=$(cat <<X\nB=1\nX\n)", {}, {1: "the output of a command", 2: "line 1 may reach"}),
    ("A=x\\", {}, {1: "a backslash at the end"}),
)


def by_bash(text: str) -> dict[str, str]:
    """The variables that bash sets for this text, as the hooks evaluate it."""
    program = 'set -o allexport; eval "$1"; set +o allexport; env -0'
    ended = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", text], env={}, capture_output=True, check=True
    )
    pairs = (each.split("=", 1) for each in ended.stdout.decode().split("\0") if each)
    return {name: value for name, value in pairs if name not in {"PWD", "SHLVL", "_", "OLDPWD"}}


@pytest.mark.parametrize(("text", "expected"), PLAIN)
def test_assignments_are_read_as_bash_means_them(text: str, expected: dict[str, str]) -> None:
    found = parse(text)
    assert found.unread == ()
    assert {each.name: each.value for each in found.assignments} == expected
    assert by_bash(text) == expected


@pytest.mark.parametrize("text", [text.replace("\n", "\r\n") for text, _ in PLAIN[:12]])
def test_line_ends_of_windows_are_line_ends(text: str) -> None:
    plain = parse(text.replace("\r\n", "\n"))
    assert parse(text) == plain
    assert parse(f"\ufeff{text}") == plain


@pytest.mark.parametrize(("text", "expected", "unread"), MORE)
def test_what_is_more_than_an_assignment_is_left_by_its_line(
    text: str, expected: dict[str, str], unread: dict[int, str]
) -> None:
    found = parse(text)
    assert {each.name: each.value for each in found.assignments} == expected
    assert [each.line for each in found.unread] == list(unread)
    for each in found.unread:
        assert unread[each.line] in each.why


def test_lines_are_numbered_across_values_of_several_lines() -> None:
    found = parse("# one\nA='two\nthree'\n\nB=5 \\\nC=6\nD=$X\n")
    assert [(each.name, each.line) for each in found.assignments] == [("A", 2), ("B", 5), ("C", 6)]
    assert [each.line for each in found.unread] == [7]


def test_no_text_of_a_value_is_in_a_repr() -> None:
    assert "hunter2" not in repr(parse("A=hunter2\nB=hunter2$X\n"))


WORDS = st.sampled_from(["A=", "B=", "export ", "x", "a b", "$A", *"'\"\\\n\t #;$`~:{}="])


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=14).map("".join))
def test_whatever_is_read_whole_is_what_bash_sets(text: str) -> None:
    found = parse(text)
    if not found.unread:
        assert by_bash(text) == {each.name: each.value for each in found.assignments}
