"""The plan of an order: how its jobs share decoding, steps and intermediate pictures. Made from the header alone."""
