"""Entry points of the four functions; each answers with what its invocation did."""

from mayfly import wiring
from mayfly.invoke import dispatch, provision, reap, sandbox

__all__ = ["dispatch", "provision", "reap", "sandbox"]

# Lambda gives the import of this file more processor time than an invocation.
wiring.prepare()
