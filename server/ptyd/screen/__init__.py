"""The screen: what a session's terminal shows, as bytes that repaint it."""
