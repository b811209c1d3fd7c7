"""Meta-data of builds."""
