"""Tries on the machine under it what a Mayfly host needs, and writes a verdict for each scenario.

Runs as root as the unit `mayfly-check.service`, once in each of three boots. The first boot has
most scenarios and ends with a job that waits for the power button, the second boot ends with a
reboot, the third with the kill of a unit whose failure switches the machine off. Python 3.9,
standard library alone: `mayfly check-image` sends this folder as user data.

A verdict is a line of the console: `mayfly-check|WORD|SCENARIO|TEXT`, with the words `ok`, `bad`,
`skip` and `fact`, and `ready` where somebody outside must act.
"""
