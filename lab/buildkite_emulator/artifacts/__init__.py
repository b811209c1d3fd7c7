"""Artifacts: what agents say of them, where their bytes lie, and who finds them again."""
