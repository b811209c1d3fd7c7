"""The operators' tool `mayfly`: what is done to a real account, and asked of a real Buildkite.

`main.py` lists the subcommands. Each has a folder: `command.py` is its command line, the other
modules are its work, which `command.py` imports when it is called.
"""
