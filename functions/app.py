"""Entry points of the four functions. Each returns the outcome of its invocation as JSON."""

from mayfly import wiring
from mayfly.invoke import dispatch, provision, reap, sandbox

__all__ = ["dispatch", "provision", "reap", "sandbox"]

# During this import Lambda gives the process more processor time than during an invocation.
wiring.prepare()
