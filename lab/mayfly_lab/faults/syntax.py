"""The error of a switch that cannot be read."""


class FaultSyntaxError(ValueError):
    """A switch that cannot be read; the message says what is allowed."""
