"""The library of the book *Deep Learning, from Scratch to GPU*. Importing it has no side effects."""

__version__ = "0.1.0"
