"""What an engineer does to an environment: start and stop its servers, deploy a commit to it, approve, back up, restore."""
