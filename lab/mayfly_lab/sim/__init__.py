"""A simulator: the shipped loops of all four functions on a virtual clock, with every fault.

Nothing here is random: all that happens follows from a seed. See `mayfly-lab sim`.
"""
