"""What must hold before the first deployment."""
