"""The function `provision`: launches missing instances and retires idle ones."""
