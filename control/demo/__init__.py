"""The demo: its people, and a past shift on the digital twin made by the same code that runs a real line."""
