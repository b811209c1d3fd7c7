"""Annotations: what jobs write on the page of their build."""
