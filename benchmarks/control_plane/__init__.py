"""Whether the control plane stays as fast with very many resources as with few."""
