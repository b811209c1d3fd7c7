"""What runs on the instance: standard library only, Python 3.9."""
