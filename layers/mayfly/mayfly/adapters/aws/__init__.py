"""The ports over EC2, IAM, CloudWatch Logs, SQS and SSM."""
