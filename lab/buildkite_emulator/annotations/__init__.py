"""Annotations on build pages."""
