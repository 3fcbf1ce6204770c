"""The public Python API, re-exported lazily by the package."""
