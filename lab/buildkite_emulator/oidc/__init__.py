"""OpenID Connect: tokens that identify a job, signed by the emulator's key."""
