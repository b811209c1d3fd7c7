"""`mayfly import-secrets`: brings the secrets bucket of the Elastic CI Stack to Parameter Store."""
