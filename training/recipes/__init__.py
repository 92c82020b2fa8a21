"""One recipe per network: data, form, losses, budget; each file reads from top to bottom."""
