"""Tools of the build; nothing of them is shipped."""
