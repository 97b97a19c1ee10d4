"""Compare time and memory of this package with the reference and with alternatives."""
