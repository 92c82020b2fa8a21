"""Pictures: decoding what strangers send, geometry, colour, and pictures for people. Imports nothing by itself."""
