"""`mayfly deploy-key`: makes, renews, lists and deletes the deploy keys of a queue's jobs."""
