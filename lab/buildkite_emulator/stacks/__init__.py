"""The Stacks API: stacks, and their calls about jobs."""
