"""Jinja2 templates and the runtime that every bundle carries (package data)."""
