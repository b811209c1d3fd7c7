"""The supervisor of an instance. Standard library only; runs on Python 3.9."""
