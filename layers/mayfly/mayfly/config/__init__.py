"""A queue's configuration: operators' SSM parameters and the queue stack's published JSON.

`queue` is cheap to import; `infra`, `parameters` and `read` import pydantic.
"""
