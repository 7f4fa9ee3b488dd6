"""What the two demo sites share: reading the environment, page headers, looks, serving."""
