"""EC2 as it is: states take time, launches are idempotent, IMDS lags behind the API.

moto keeps what instances are; what they do is decided here.
"""
