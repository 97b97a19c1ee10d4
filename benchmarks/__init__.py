"""Time and memory of this package beside the reference and the alternatives."""
