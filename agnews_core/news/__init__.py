"""Labelled news: where it comes from, how a table of it is read and checked, the 90/10 split, its tokens."""
