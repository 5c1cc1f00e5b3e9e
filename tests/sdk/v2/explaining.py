"""An endpoint with a Clarify explainer, deployed and asked with the SDK's second version. Argument: the role."""

import json
import sys

import sagemaker
import tables
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.explainer import ExplainerConfig
from sagemaker.explainer.clarify_explainer_config import (
    ClarifyExplainerConfig,
    ClarifyInferenceConfig,
    ClarifyShapBaselineConfig,
    ClarifyShapConfig,
)
from sagemaker.inputs import TrainingInput

role = sys.argv[1]
INSTANCE = "ml.m5.xlarge"
session = sagemaker.Session()
table = tables.rows(300)
uri = session.upload_string_as_file_body(
    tables.csv(table), session.default_bucket(), "explaining/train/rows.csv"
)
estimator = Estimator(
    image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    role,
    instance_count=1,
    instance_type=INSTANCE,
    sagemaker_session=session,
    hyperparameters={"objective": "binary:logistic", "num_round": 10, "max_depth": 3},
)
estimator.fit({"train": TrainingInput(uri, content_type="text/csv")}, logs=False)

names = [f"feature {number}" for number in range(table.shape[1] - 1)]
explainer = ClarifyExplainerConfig(
    shap_config=ClarifyShapConfig(
        shap_baseline_config=ClarifyShapBaselineConfig(shap_baseline=tables.csv(table[:3, 1:])),
        use_logit=True,
        seed=7,
    ),
    inference_config=ClarifyInferenceConfig(feature_headers=names),
    enable_explanations="[0]>=`0`",
)
predictor = estimator.deploy(
    1, INSTANCE, explainer_config=ExplainerConfig(clarify_explainer_config=explainer), wait=True
)
described = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
assert "ShapConfig" in described["ExplainerConfig"]["ClarifyExplainerConfig"], described

request = tables.csv(table[:5, 1:])
answer = json.loads(
    predictor.predict(request, initial_args={"ContentType": "text/csv", "Accept": "text/csv"})
)
found = answer["explanations"]["kernel_shap"]
assert [len(record) for record in found] == [len(names)] * 5, answer
assert [feature["feature_header"] for feature in found[0]] == names
silent = json.loads(
    predictor.predict(
        request,
        initial_args={"ContentType": "text/csv", "Accept": "text/csv", "EnableExplanations": "`false`"},
    )
)
assert silent["explanations"] == {}, silent
assert silent["predictions"] == answer["predictions"]
predictor.delete_endpoint(delete_endpoint_config=True)
