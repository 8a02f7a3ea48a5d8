"""cephos-compile: one site description in, one reviewable offline bundle per host out."""

__version__ = "0.1.0"
