"""How long a job takes from its request to the first line of the user's code."""
