"""Programs that run on a machine of the lab: standard library only, Python 3.9.

A machine sees only this directory of the lab, so no module here imports from outside it.
"""
