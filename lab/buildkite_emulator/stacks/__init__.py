"""The Stacks API: stacks, and what they see of jobs and do to them."""
