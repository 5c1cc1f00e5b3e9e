"""boto3's own waiters, and the texts that the SDKs' control flow hangs on."""

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

SOON = {"Delay": 1, "MaxAttempts": 60}
SERVING = "def model_fn(folder): return 1\ndef transform_fn(m, b, c, a): return b, 'text/plain'\n"


def test_training_waiters_end_with_the_job(workshop: Workshop) -> None:
    name = workshop.start_training(workshop.program("pass"))
    waiter = workshop.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig=SOON)
    assert workshop.training(name)["TrainingJobStatus"] == "Completed"


def test_endpoint_waiters_end_with_the_endpoint(workshop: Workshop) -> None:
    name = workshop.start_endpoint(workshop.variant(workshop.served(SERVING)))
    workshop.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=SOON)
    assert workshop.invoke(name, b"there") == b"there"
    workshop.sagemaker.delete_endpoint(EndpointName=name)
    workshop.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=SOON)


def test_processing_and_transform_waiters_end_with_the_job(workshop: Workshop) -> None:
    sagemaker, name = workshop.sagemaker, workshop.name("processing")
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": shop.INSTANCE, "VolumeSizeInGB": 1}
        },
        AppSpecification={"ImageUri": shop.SKLEARN, "ContainerEntrypoint": ["true"]},
        RoleArn=workshop.role,
    )
    sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
        ProcessingJobName=name, WaiterConfig=SOON
    )
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=workshop.served(SERVING),
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": workshop.put_all({"a": "x"})}}
        },
        TransformOutput={"S3OutputPath": f"s3://{workshop.bucket}/waited"},
        TransformResources={"InstanceType": shop.INSTANCE, "InstanceCount": 1},
    )
    sagemaker.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name, WaiterConfig=SOON)
    assert workshop.get(f"s3://{workshop.bucket}/waited/a.out") == b"x"


def test_one_name_of_another_kind_is_another_resource(workshop: Workshop) -> None:
    name = workshop.name("shared")
    workshop.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    workshop.sagemaker.create_model(
        ModelName=name, PrimaryContainer={"Image": shop.SKLEARN}, ExecutionRoleArn=workshop.role
    )
    workshop.sagemaker.delete_model_package_group(ModelPackageGroupName=name)
    assert workshop.sagemaker.describe_model(ModelName=name)["ModelName"] == name


def test_what_is_not_there_is_not_found_by_its_arn_either(workshop: Workshop) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:{workshop.account}:model/nobody"
    for call in ("list_tags", "add_tags", "delete_tags"):
        more = {"add_tags": {"Tags": [{"Key": "a", "Value": "b"}]}, "delete_tags": {"TagKeys": ["a"]}}
        with workshop.refused("ValidationException", "Could not find"):
            getattr(workshop.sagemaker, call)(ResourceArn=arn, **more.get(call, {}))
