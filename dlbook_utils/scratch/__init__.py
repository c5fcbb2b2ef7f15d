"""The NumPy library that the book builds, one module per subject. It knows no PyTorch."""
