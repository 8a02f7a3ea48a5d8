"""The JSON Schema of the site description (package data)."""
