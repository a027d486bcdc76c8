"""The search for better settings: a study of many short runs, and an honest comparison of its winner with the preset."""
