"""OpenID Connect: tokens that say which job asks, signed by a key of the emulator."""
