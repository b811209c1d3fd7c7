"""The ports over DynamoDB: the Fleet and Mailbox tables."""
