"""Deployment: the shipped templates into moto's CloudFormation, with nothing lost on the way."""
