"""The local AWS: moto, corrected where Mayfly depends on the difference; Lambda runs for real."""
