"""What the tools are made of: nothing here registers parts, and only tools import it."""
