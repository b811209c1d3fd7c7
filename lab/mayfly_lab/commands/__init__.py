"""The commands of `mayfly-lab`: what each takes, does and answers with."""
