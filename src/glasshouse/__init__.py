"""The platform: SageMaker's lifecycle on your own machines."""
