"""The host's side of the appliance test."""
