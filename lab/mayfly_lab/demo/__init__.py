"""The demo: the bundled pipelines through the whole system, with what goes wrong in real life."""
