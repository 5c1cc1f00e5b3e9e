"""SageMaker Clarify's contracts: analysis jobs, and explanations of an endpoint's answers."""
