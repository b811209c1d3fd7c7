"""Machines that are whole: a Debian with its own systemd, cloud-init, firewall and users."""
