"""Pages for people: one file each, for phones and screens, light and dark; no script, and nothing from outside."""
