"""Commands that read and change a queue's parameters: get, set, unset, and their short forms."""
