"""`mayfly check-profiles`: when the metadata service follows a replaced instance profile."""
