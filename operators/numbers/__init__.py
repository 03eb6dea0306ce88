"""How the agent is doing: the admin's front page."""
