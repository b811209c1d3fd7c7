"""EC2's behaviour over time: states take time, launches are idempotent, IMDS lags behind the API.

moto keeps the properties of instances; this package decides their states and profiles.
"""
