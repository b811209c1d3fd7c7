"""IAM as the control plane reads it: what policies allow."""
