"""Reads, translates and resolves the templates.

`reading` returns a template as written, `translation` the one that CloudFormation receives, and
`resolution` its values in one deployment.
"""
