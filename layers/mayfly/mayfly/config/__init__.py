"""A queue's configuration: what operators write in SSM, what the queue stack publishes.

`queue` and `agent_settings` are cheap to import; `infra`, `parameters` and `read` bring pydantic.
"""
