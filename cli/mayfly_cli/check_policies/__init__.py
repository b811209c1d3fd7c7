"""`mayfly check-policies`: what AWS decides about the cases of the table of permissions."""
