"""The front door's IAM: a call becomes IAM's requests, which the deployed policies decide."""
