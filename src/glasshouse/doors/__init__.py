"""How the outside reaches the kernel. Doors translate; they know no capability."""
