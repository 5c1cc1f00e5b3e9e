"""An endpoint with a Clarify explainer through the classes of the SDK's third version. Argument: the role."""

import io
import json
import sys
import tarfile
import uuid

import boto3
from sagemaker.core import resources, shapes

role = sys.argv[1]
mark = uuid.uuid4().hex[:8]
bucket = f"v3-explaining-{mark}"
image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
CODE = """
def model_fn(folder): return None
def predict_fn(rows, model): return 0.25 + 0.5 * rows[:, 0] * rows[:, 1]
def input_fn(body, content_type):
    import numpy as np
    text = body if isinstance(body, str) else body.decode()
    return np.array([[float(cell) for cell in line.split(",")] for line in text.split()])
"""
s3 = boto3.client("s3")
s3.create_bucket(Bucket=bucket)
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as archive:
    entry = tarfile.TarInfo("code/inference.py")
    entry.size = len(CODE)
    archive.addfile(entry, io.BytesIO(CODE.encode()))
s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=packed.getvalue())
container = shapes.ContainerDefinition(image=image, model_data_url=f"s3://{bucket}/model.tar.gz")
resources.Model.create(model_name=mark, primary_container=container, execution_role_arn=role)
resources.EndpointConfig.create(
    endpoint_config_name=mark,
    production_variants=[
        shapes.ProductionVariant(
            variant_name="AllTraffic", model_name=mark, instance_type="ml.m5.large", initial_instance_count=1
        )
    ],
    explainer_config=shapes.ExplainerConfig(
        clarify_explainer_config=shapes.ClarifyExplainerConfig(
            inference_config=shapes.ClarifyInferenceConfig(feature_headers=["a", "b"]),
            shap_config=shapes.ClarifyShapConfig(
                shap_baseline_config=shapes.ClarifyShapBaselineConfig(shap_baseline="0,0")
            ),
        )
    ),
)
endpoint = resources.Endpoint.create(endpoint_name=mark, endpoint_config_name=mark)
endpoint.wait_for_status("InService")
config = endpoint.explainer_config.clarify_explainer_config
assert config.shap_config.shap_baseline_config.shap_baseline == "0,0", config
answer = endpoint.invoke(body="1,1\n1,0", content_type="text/csv", accept="text/csv")
document = json.loads(answer.body.read())
found = [
    [feature["attributions"][0]["attribution"][0] for feature in record]
    for record in document["explanations"]["kernel_shap"]
]
assert [[round(value, 9) for value in record] for record in found] == [[0.25, 0.25], [0.0, 0.0]], document
silent = endpoint.invoke(
    body="1,1", content_type="text/csv", accept="text/csv", enable_explanations="[0]>`0.9`"
)
assert json.loads(silent.body.read())["explanations"] == {}
endpoint.delete()
