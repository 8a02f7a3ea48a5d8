"""The pages of the diagnostics' codes (package data)."""
