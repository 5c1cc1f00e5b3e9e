"""The operations whose shapes the tests hold on to."""

from __future__ import annotations

_SAGEMAKER = """
    CreateTrainingJob DescribeTrainingJob ListTrainingJobs StopTrainingJob UpdateTrainingJob DeleteTrainingJob
    CreateProcessingJob DescribeProcessingJob ListProcessingJobs StopProcessingJob DeleteProcessingJob
    CreateTransformJob DescribeTransformJob ListTransformJobs StopTransformJob
    CreateModel DescribeModel ListModels DeleteModel
    CreateEndpointConfig DescribeEndpointConfig ListEndpointConfigs DeleteEndpointConfig
    CreateEndpoint DescribeEndpoint ListEndpoints UpdateEndpoint UpdateEndpointWeightsAndCapacities DeleteEndpoint
    CreateModelPackageGroup DescribeModelPackageGroup ListModelPackageGroups DeleteModelPackageGroup
    CreateModelPackage DescribeModelPackage ListModelPackages UpdateModelPackage DeleteModelPackage
    AddTags ListTags DeleteTags Search
"""
_LOGS = """
    CreateLogGroup DeleteLogGroup DescribeLogGroups CreateLogStream DeleteLogStream DescribeLogStreams
    PutLogEvents GetLogEvents FilterLogEvents
"""

OFFERED = {
    "sagemaker": tuple(_SAGEMAKER.split()),
    "sagemaker-runtime": ("InvokeEndpoint",),
    "sts": ("GetCallerIdentity", "AssumeRole"),
    "iam": ("GetRole", "CreateRole", "DeleteRole", "ListRoles", "SimulatePrincipalPolicy"),
    "logs": tuple(_LOGS.split()),
    "glasshouse": (
        "ListDecisions",
        "DescribeDecision",
        "PutGroundTruth",
        "EraseSubject",
        "ExpireDecisions",
        "DescribeLedger",
    ),
}
"""Operation names by botocore's service."""

OPERATIONS = tuple((service, name) for service, names in OFFERED.items() for name in names)
