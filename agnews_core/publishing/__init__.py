"""A trained model as a folder or file for others."""
