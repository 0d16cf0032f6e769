"""How true results are: pixels against float arithmetic, metadata against ExifTool."""
