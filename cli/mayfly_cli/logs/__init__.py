"""`mayfly logs`: what the functions and the host said of a job or an instance."""
