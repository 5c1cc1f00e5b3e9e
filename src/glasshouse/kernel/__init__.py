"""What every capability shares: identity, the wire model, kinds, operations, storage, work and events."""
