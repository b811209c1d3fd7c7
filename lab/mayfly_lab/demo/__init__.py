"""The demo: runs the bundled pipelines through the whole system, with failures of real life."""
