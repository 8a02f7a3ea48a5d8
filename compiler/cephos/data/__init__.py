"""What is known of releases, options and platforms (package data)."""
