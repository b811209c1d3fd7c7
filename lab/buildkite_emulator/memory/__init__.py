"""What the emulator knows: settings, records, the store that holds them, and views for others."""
