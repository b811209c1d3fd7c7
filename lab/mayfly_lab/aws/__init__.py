"""The local AWS: moto, made true where the design depends on it, and Lambda run for real."""
