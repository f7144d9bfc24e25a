"""The device helper that a project gets: its text, its name, where it stands."""
