"""The operators' tool `mayfly`: checks and changes a real AWS account and a real Buildkite.

`main.py` lists the subcommands. Each subcommand has a folder: `command.py` holds its command line,
the other modules do its work. `command.py` imports them only when the command runs: help is fast.
"""
