"""What may be done to a workspace. Knows no prompts and learns nothing."""
