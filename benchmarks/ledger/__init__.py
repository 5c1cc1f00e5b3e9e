"""What recording every decision costs."""
