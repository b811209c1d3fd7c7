"""`mayfly status`: every queue in one line, and what needs a person."""
