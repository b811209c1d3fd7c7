"""Entry points of the four functions; each answers with what its invocation did."""

from mayfly.invoke import dispatch, provision, reap, sandbox

__all__ = ["dispatch", "provision", "reap", "sandbox"]
