"""The front door of the local AWS: who asks, may they, what goes wrong, what was said.

Everything that the functions, the machines and the operators send to AWS comes through here
before moto sees it.
"""
