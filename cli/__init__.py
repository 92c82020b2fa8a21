"""The command line, the embedded servers, and the small client the command line is built on."""
