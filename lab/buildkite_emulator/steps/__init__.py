"""Steps as jobs of their build read, change and cancel them."""
