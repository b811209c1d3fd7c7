"""Programs that run on a lab machine, standard library only, Python 3.9.

A machine sees this directory and nothing else of the lab, so nothing here imports from outside it.
"""
