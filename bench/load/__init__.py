"""How a service bears many callers at once: the seed's load pattern, with other ways to serve the same models beside ours."""
