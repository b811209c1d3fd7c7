"""The function `provision`: launches what is missing, retires what nobody needs."""
