"""The error for a switch that cannot be parsed."""


class FaultSyntaxError(ValueError):
    """A switch cannot be parsed; the message says what is allowed."""
