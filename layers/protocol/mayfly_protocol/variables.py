"""Variables out of parameters `env/<name>` of a folder of secrets, and names that are refused.

The layout's first implementation sets any variable, so that a parameter could change how the agent,
git, ssh and Mayfly work before any of the job's code runs.
"""

from __future__ import annotations

import re

ENV = "env/"
"""Beginning of the names of variables' parameters, below a folder."""
_IDENTIFIER = re.compile(r"[A-Z_][A-Z0-9_]*")
_SHELL = "it changes how shells work"
_LINKER = "it changes which code programs load"
_AGENT = "Buildkite's agent sets and reads variables with this beginning"
_MAYFLY = "it is Mayfly's"
_GIT = "it changes how git works"
_SSH = "it changes which keys and hosts ssh uses"
_PYTHON = "it changes which code Python runs"
_PERSON = "it is the job user's own"

_NAMES = {
    # bash(1), "Shell Variables"; names that bash sets itself or reads at its start.
    **dict.fromkeys(("_", "ENV", "IFS", "PATH", "CDPATH", "GLOBIGNORE", "EXECIGNORE"), _SHELL),
    **dict.fromkeys(("SHELLOPTS", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS3", "PS4"), _SHELL),
    **dict.fromkeys(("POSIXLY_CORRECT", "OPTIND", "OPTARG", "REPLY", "FCEDIT"), _SHELL),
    **dict.fromkeys(("PWD", "OLDPWD", "SHLVL", "UID", "EUID", "PPID", "TMPDIR"), _SHELL),
    **dict.fromkeys(("HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR"), _PERSON),
    # ld.so(8), "Secure-execution mode"; config(5) of OpenSSL; runtime package of Go, for the agent.
    **dict.fromkeys(("GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH"), _LINKER),
    **dict.fromkeys(("OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"), _LINKER),
    **dict.fromkeys(("GODEBUG", "PERL5LIB", "PERL5OPT", "PERLLIB"), _LINKER),
    # ssh(1) and ssh-agent(1), "Environment".
    **dict.fromkeys(("SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ORIGINAL_COMMAND"), _SSH),
    **dict.fromkeys(("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_USER_AUTH"), _SSH),
}
_BEGINNINGS = (
    ("BASH", _SHELL),
    ("LD_", _LINKER),
    ("DYLD_", _LINKER),
    ("BUILDKITE", _AGENT),
    ("MAYFLY", _MAYFLY),
    ("SSH_ASKPASS", _SSH),
    ("SSH_SK", _SSH),
    ("PYTHON", _PYTHON),
    # Where SDKs look for the credentials of the job's role.
    ("AWS_CONTAINER_", _MAYFLY),
    ("AWS_EC2_METADATA_", _MAYFLY),
)
# git(1), "Environment Variables", has far more names than a list could keep up with, so only names
# that are plainly a person's or a credential's pass.
_GIT_NAME = re.compile(
    r"GIT_(?!(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL)$"
    r"|(?!CONFIG_)(?:[A-Z0-9]+_)*(?:TOKEN|PASSWORD|USERNAME|USER|SECRET)$)"
)


def variable(name: str) -> str:
    """The variable of a parameter `env/<name>`: `fav-lesson` gives `FAV_LESSON`.

    Raises ValueError with the reason for a name that gives none, or one that is refused.
    """
    if "/" in name:
        raise ValueError(f"below {ENV} a name has one part")
    found = name.upper().replace("-", "_")
    if not _IDENTIFIER.fullmatch(found):
        raise ValueError(f"{found} is no name of a variable for a shell")
    if why := refusal(found):
        raise ValueError(f"{found} cannot be set: {why}")
    return found


def refusal(name: str) -> str:
    """Why no parameter may set this variable; empty if one may."""
    beginnings = (why for beginning, why in _BEGINNINGS if name.startswith(beginning))
    git = _GIT if _GIT_NAME.match(name) else ""
    return _NAMES.get(name) or next(beginnings, "") or git
