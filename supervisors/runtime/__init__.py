"""What is composed of actors and supervision: settings, the composition root, the analysis tree."""
