"""Every kind of resource on offer through the classes of the SDK's third version, which check each answer's types.

Argument: the role.
"""

import sys
import uuid

import boto3
import tables
from botocore import exceptions
from sagemaker.core import resources, shapes

role = sys.argv[1]
mark = uuid.uuid4().hex[:8]
bucket = f"v3-resources-{mark}"
image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
s3 = boto3.client("s3")
s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="rows.csv", Body=tables.csv(tables.rows(100)).encode())
s3.put_object(Bucket=bucket, Key="in/rows.csv", Body=tables.csv(tables.rows(10)[:, 1:]).encode())


def refused(call, *words):
    """The call must fail with these words in its message."""
    try:
        call()
    except exceptions.ClientError as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError(f"accepted: {words}")


def names(found, member):
    return [getattr(one, member) for one in found]


print("-- training job")
job = resources.TrainingJob.create(
    training_job_name=f"job-{mark}",
    algorithm_specification=shapes.AlgorithmSpecification(training_image=image, training_input_mode="File"),
    role_arn=role,
    input_data_config=[
        shapes.Channel(
            channel_name="train",
            content_type="text/csv",
            data_source=shapes.DataSource(
                s3_data_source=shapes.S3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/rows.csv")
            ),
        )
    ],
    output_data_config=shapes.OutputDataConfig(s3_output_path=f"s3://{bucket}/output"),
    resource_config=shapes.ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
    stopping_condition=shapes.StoppingCondition(max_runtime_in_seconds=600),
    hyper_parameters={"objective": "binary:logistic", "num_round": "3"},
    tags=[{"key": "mark", "value": mark}],
)
job.wait()
assert job.training_job_status == "Completed"
assert job.training_time_in_seconds >= 1 and job.billable_time_in_seconds >= 1
assert {one.metric_name for one in job.final_metric_data_list} == {"train:logloss"}, (
    job.final_metric_data_list
)
listed = list(resources.TrainingJob.get_all(name_contains=mark, status_equals="Completed"))
assert names(listed, "training_job_name") == [f"job-{mark}"]
refused(
    lambda: resources.TrainingJob.get("no-such-job"), "ValidationException", "Requested resource not found"
)

print("-- tags")
resources.Tag.add_tags(resource_arn=job.training_job_arn, tags=[{"key": "more", "value": "yes"}])
assert {one.key: one.value for one in resources.Tag.get_all(resource_arn=job.training_job_arn)} == {
    "mark": mark,
    "more": "yes",
}
resources.Tag.delete_tags(resource_arn=job.training_job_arn, tag_keys=["more"])
assert names(resources.Tag.get_all(resource_arn=job.training_job_arn), "key") == ["mark"]

print("-- model")
container = shapes.ContainerDefinition(image=image, model_data_url=job.model_artifacts.s3_model_artifacts)
model = resources.Model.create(
    model_name=f"model-{mark}", primary_container=container, execution_role_arn=role
)
assert resources.Model.get(f"model-{mark}").model_arn.endswith(f":model/model-{mark}")
assert names(resources.Model.get_all(name_contains=mark), "model_name") == [f"model-{mark}"]
refused(
    lambda: resources.Model.create(
        model_name=f"model-{mark}", primary_container=container, execution_role_arn=role
    ),
    "ValidationException",
    "Cannot create already existing model",
)
refused(lambda: resources.Model.get("no-such-model"), "ValidationException", "Could not find model")

print("-- transform job")
transform = resources.TransformJob.create(
    transform_job_name=f"transform-{mark}",
    model_name=f"model-{mark}",
    transform_input=shapes.TransformInput(
        data_source=shapes.TransformDataSource(
            s3_data_source=shapes.TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/in/")
        ),
        content_type="text/csv",
        split_type="Line",
    ),
    transform_output=shapes.TransformOutput(s3_output_path=f"s3://{bucket}/out", assemble_with="Line"),
    transform_resources=shapes.TransformResources(instance_type="ml.m5.large", instance_count=1),
)
transform.wait()
assert transform.transform_job_status == "Completed"
assert names(resources.TransformJob.get_all(name_contains=mark), "transform_job_name") == [
    f"transform-{mark}"
]
refused(lambda: resources.TransformJob.get("no-such-job"), "ValidationException", "Could not find")
refused(transform.stop, "ValidationException")

print("-- processing job, stopped")
processing = resources.ProcessingJob.create(
    processing_job_name=f"processing-{mark}",
    processing_resources=shapes.ProcessingResources(
        cluster_config=shapes.ProcessingClusterConfig(
            instance_count=1, instance_type="ml.m5.large", volume_size_in_gb=5
        )
    ),
    app_specification=shapes.AppSpecification(
        image_uri=image, container_entrypoint=["python3", "-c", "import time; time.sleep(600)"]
    ),
    role_arn=role,
)
assert processing.processing_job_status == "InProgress"
processing.stop()
processing.wait()
assert processing.processing_job_status == "Stopped", processing.processing_job_status
assert names(resources.ProcessingJob.get_all(name_contains=mark), "processing_job_name") == [
    f"processing-{mark}"
]
refused(lambda: resources.ProcessingJob.get("no-such-job"), "ValidationException", "Could not find")

print("-- endpoint")
config = resources.EndpointConfig.create(
    endpoint_config_name=f"config-{mark}",
    production_variants=[
        shapes.ProductionVariant(
            variant_name=name,
            model_name=f"model-{mark}",
            initial_instance_count=1,
            instance_type="ml.m5.large",
            initial_variant_weight=1,
        )
        for name in ("blue", "green")
    ],
)
assert names(resources.EndpointConfig.get_all(name_contains=mark), "endpoint_config_name") == [
    f"config-{mark}"
]
endpoint = resources.Endpoint.create(endpoint_name=f"endpoint-{mark}", endpoint_config_name=f"config-{mark}")
endpoint.wait_for_status("InService")
assert {one.variant_name for one in endpoint.production_variants} == {"blue", "green"}
assert endpoint.production_variants[0].deployed_images[0].specified_image == image
row = tables.csv(tables.rows(1)[:, 1:])
for name in ("blue", "green"):
    answer = endpoint.invoke(body=row, content_type="text/csv", accept="text/csv", target_variant=name)
    assert answer.invoked_production_variant == name
    assert 0 < float(answer.body.read()) < 1
endpoint.update_weights_and_capacities(
    desired_weights_and_capacities=[
        shapes.DesiredWeightAndCapacity(variant_name="blue", desired_weight=0.5),
        shapes.DesiredWeightAndCapacity(variant_name="green", desired_weight=2, desired_instance_count=2),
    ]
)
endpoint.wait_for_status("InService")
found = {one.variant_name: one for one in resources.Endpoint.get(f"endpoint-{mark}").production_variants}
assert found["green"].desired_instance_count == 2 and found["blue"].desired_weight == 0.5, found
assert names(resources.Endpoint.get_all(name_contains=mark), "endpoint_name") == [f"endpoint-{mark}"]
endpoint.delete()
endpoint.wait_for_delete()
refused(lambda: resources.Endpoint.get(f"endpoint-{mark}"), "ValidationException", "Could not find endpoint")
config.delete()
refused(lambda: resources.EndpointConfig.get(f"config-{mark}"), "Could not find endpoint configuration")

print("-- model packages")
group = resources.ModelPackageGroup.create(
    model_package_group_name=f"group-{mark}", model_package_group_description="credit models"
)
assert group.model_package_group_status == "Completed"
# The SDK's own ModelPackage.create() and get_all() look for a name that versions do not have, on AWS too:
# github.com/aws/sagemaker-python-sdk/issues/5606
registry = boto3.client("sagemaker")
made = registry.create_model_package(
    ModelPackageGroupName=f"group-{mark}",
    InferenceSpecification={
        "Containers": [{"Image": image, "ModelDataUrl": job.model_artifacts.s3_model_artifacts}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    },
    ModelApprovalStatus="PendingManualApproval",
)["ModelPackageArn"]
package = resources.ModelPackage.get(made)
assert package.model_package_version == 1
assert package.model_approval_status == "PendingManualApproval"
assert package.inference_specification.containers[0].image == image
registry.update_model_package(ModelPackageArn=made, ModelApprovalStatus="Approved")
assert resources.ModelPackage.get(made).model_approval_status == "Approved"
assert names(resources.ModelPackageGroup.get_all(name_contains=mark), "model_package_group_name") == [
    f"group-{mark}"
]
refused(group.delete, "ConflictException")
registry.delete_model_package(ModelPackageName=made)
group.delete()
refused(lambda: resources.ModelPackageGroup.get(f"group-{mark}"), "ValidationException", "does not exist")
model.delete()
