"""ModelBuilder, processing and batch transform in the SDK's third version.

Arguments: the folder of the user's code, the role.
"""

import io
import json
import sys
import uuid

import boto3
import numpy as np
import tables
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    ProductionVariant,
)
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.transformer import Transformer
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer

code, role = sys.argv[1:]
mark = uuid.uuid4().hex[:8]
session = Session()
bucket = session.default_bucket()
s3 = boto3.client("s3")
table = tables.rows(300)
rows = f"s3://{bucket}/v3/{mark}/rows.csv"
s3.put_object(Bucket=bucket, Key=f"v3/{mark}/rows.csv", Body=tables.csv(table).encode())
features = tables.csv(table[:20, 1:])
compute = Compute(instance_type="ml.m5.xlarge", instance_count=1)

print("-- a trained algorithm, deployed")
container = image_uris.retrieve("xgboost", "us-east-1", version="1.7-1")
trainer = ModelTrainer(
    training_image=container,
    role=role,
    compute=compute,
    hyperparameters={"objective": "binary:logistic", "num_round": 10, "max_depth": 3},
    base_job_name=f"v3-serve-{mark}",
    sagemaker_session=session,
)
trainer.train(
    input_data_config=[InputData(channel_name="train", data_source=rows, content_type="text/csv")], logs=False
)
builder = ModelBuilder(
    model=trainer, image_uri=container, role_arn=role, instance_type="ml.m5.xlarge", sagemaker_session=session
)
model = builder.build(model_name=f"v3-model-{mark}")
assert isinstance(model, Model), type(model)
endpoint = builder.deploy(endpoint_name=f"v3-endpoint-{mark}", initial_instance_count=1)
assert isinstance(endpoint, Endpoint), type(endpoint)
answer = endpoint.invoke(body=features, content_type="text/csv")
scores = np.array(answer.body.read().decode().split(","), dtype=float)
assert scores.shape == (20,), scores

print("-- the same model, in batch")
s3.put_object(Bucket=bucket, Key=f"v3/{mark}/in/rows.csv", Body=features.encode())
transformer = Transformer(
    model_name=model.model_name,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    strategy="SingleRecord",
    assemble_with="Line",
    accept="text/csv",
    output_path=f"s3://{bucket}/v3/{mark}/out",
    sagemaker_session=session,
)
transformer.transform(
    f"s3://{bucket}/v3/{mark}/in/rows.csv",
    content_type="text/csv",
    split_type="Line",
    join_source="Input",
    output_filter="$[-1]",
    wait=True,
    logs=False,
)
held = s3.get_object(Bucket=bucket, Key=f"v3/{mark}/out/rows.csv.out")["Body"].read().decode()
assert np.allclose([float(line) for line in held.split()], scores, atol=1e-6)

print("-- a second configuration of the endpoint")
EndpointConfig.create(  # the SDK's deploy(update_endpoint=True) raises a TypeError of its own
    endpoint_config_name=f"v3-second-{mark}",
    production_variants=[
        ProductionVariant(
            variant_name="AllTraffic",
            model_name=model.model_name,
            initial_instance_count=2,
            instance_type="ml.m5.xlarge",
        )
    ],
)
endpoint.endpoint_config_name = f"v3-second-{mark}"
endpoint.update()
endpoint.wait_for_status("InService")
found = Endpoint.get(f"v3-endpoint-{mark}")
assert found.production_variants[0].current_instance_count == 2, found.production_variants
endpoint.delete()
endpoint.wait_for_delete()

print("-- a script's model, with serving code of its own")
image = image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", instance_type="ml.m5.xlarge")
trainer = ModelTrainer(
    training_image=image,
    role=role,
    source_code=SourceCode(source_dir=code, requirements="requirements.txt", entry_script="train.py"),
    compute=compute,
    base_job_name=f"v3-script-{mark}",
    sagemaker_session=session,
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=rows)], logs=False)
artifacts = trainer._latest_training_job.model_artifacts.s3_model_artifacts
builder = ModelBuilder(
    s3_model_data_url=artifacts,  # with model=trainer the SDK repacks an address of its own making
    image_uri=image,
    source_code=SourceCode(source_dir=code, entry_script="serve.py"),
    env_vars={"MULTIPLY": "10"},
    role_arn=role,
    instance_type="ml.m5.xlarge",
    sagemaker_session=session,
)
builder.build(model_name=f"v3-script-{mark}")
endpoint = builder.deploy(endpoint_name=f"v3-script-{mark}", initial_instance_count=1)
buffer = io.BytesIO()
np.save(buffer, table[:20, 1:])
answer = endpoint.invoke(body=buffer.getvalue(), content_type="application/x-npy", accept="application/x-npy")
found = np.load(io.BytesIO(answer.body.read()))
assert set(found) == {0.0, 10.0}, found
endpoint.delete()

print("-- processing")
processor = ScriptProcessor(
    role=role,
    image_uri=image,
    command=["python3"],
    instance_count=1,
    instance_type="ml.m5.xlarge",
    base_job_name="v3-processing",
    sagemaker_session=session,
)
processor.run(
    code=f"{code}/prepare.py",
    inputs=[
        ProcessingInput(
            input_name="rows",
            s3_input=ProcessingS3Input(
                s3_uri=rows,
                local_path="/opt/ml/processing/input",
                s3_data_type="S3Prefix",
                s3_input_mode="File",
            ),
        )
    ],
    outputs=[
        ProcessingOutput(
            output_name="first",
            s3_output=ProcessingS3Output(
                s3_uri=f"s3://{bucket}/v3/{mark}/first",
                local_path="/opt/ml/processing/output/first",
                s3_upload_mode="EndOfJob",
            ),
        )
    ],
    arguments=["--share", "0.5"],
    logs=True,
)
held = s3.get_object(Bucket=bucket, Key=f"v3/{mark}/first/rows.csv")["Body"].read().decode()
assert held.splitlines() == tables.csv(table[:150]).splitlines()
told = json.loads(s3.get_object(Bucket=bucket, Key=f"v3/{mark}/first/told.json")["Body"].read())
assert told["job"]["ProcessingJobName"].startswith("v3-processing")
