"""What the commands for operators share: the opened stack, options, screen, JSON.

A command reads records and parameters, makes a frozen result of them by a pure function, and
shows the result once: for the screen, or with `--json`.
"""
