"""The emulator's data: settings, records, the store, and read-only views."""
