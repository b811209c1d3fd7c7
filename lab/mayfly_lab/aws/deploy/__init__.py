"""Deploys the shipped templates into moto's CloudFormation, without loss of any property."""
