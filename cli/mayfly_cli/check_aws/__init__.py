"""`mayfly check-aws`: measures in a real account what no source of AWS states about IAM."""
