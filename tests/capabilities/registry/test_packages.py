"""Model packages: versions, approval, and models made from them."""

from concurrent import futures
from typing import Any

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow


def specification(image: str = shop.SKLEARN, data: str = "s3://workshop/m/model.tar.gz") -> shop.Document:
    return {
        "Containers": [{"Image": image, "ModelDataUrl": data, "Environment": {"A": "package"}}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


@pytest.fixture
def group(workshop: Workshop) -> str:
    name = workshop.name("group")
    workshop.sagemaker.create_model_package_group(
        ModelPackageGroupName=name, ModelPackageGroupDescription="credit models"
    )
    return name


def register(workshop: Workshop, group: str, **changes: Any) -> str:
    request = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": specification(),
        "ModelPackageDescription": "a model",
        **changes,
    }
    return str(workshop.sagemaker.create_model_package(**request)["ModelPackageArn"])


def describe(workshop: Workshop, arn: str) -> shop.Document:
    found: shop.Document = workshop.sagemaker.describe_model_package(ModelPackageName=arn)
    return found


def test_versions_count_up_and_a_number_is_given_once(workshop: Workshop, group: str) -> None:
    first, second = register(workshop, group), register(workshop, group)
    assert first.endswith(f":model-package/{group}/1")
    assert second.endswith(f":model-package/{group}/2")
    workshop.sagemaker.delete_model_package(ModelPackageName=second)
    assert register(workshop, group).endswith(f"{group}/3")
    with workshop.refused("ValidationException", "does not exist"):
        describe(workshop, second)


def test_versions_made_at_the_same_time_get_numbers_of_their_own(workshop: Workshop, group: str) -> None:
    with futures.ThreadPoolExecutor(4) as pool:
        arns = list(pool.map(lambda _: register(workshop, group), range(12)))
    assert sorted(int(arn.rsplit("/", 1)[1]) for arn in arns) == list(range(1, 13))


def test_the_same_client_token_gives_the_same_version(workshop: Workshop, group: str) -> None:
    token = "a" * 36
    assert register(workshop, group, ClientToken=token) == register(workshop, group, ClientToken=token)
    assert register(workshop, group, ClientToken="b" * 36).endswith("/2")


def test_a_description_has_every_member_that_clients_read(workshop: Workshop, group: str) -> None:
    arn = register(
        workshop,
        group,
        CustomerMetadataProperties={"auc": "0.8"},
        ModelMetrics={
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/s"}}
        },
    )
    found = describe(workshop, arn)
    assert (found["ModelPackageName"], found["ModelPackageGroupName"]) == (group, group)
    assert (found["ModelPackageVersion"], found["ModelPackageStatus"]) == (1, "Completed")
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    assert found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == "s3://workshop/m/model.tar.gz"
    assert found["ModelPackageStatusDetails"]["ValidationStatuses"] == []
    assert found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == "s3://b/s"
    assert found["CustomerMetadataProperties"] == {"auc": "0.8"}
    assert ":assumed-role/" in found["CreatedBy"]["IamIdentity"]["Arn"]


def test_approval_and_metadata_can_be_changed(workshop: Workshop, group: str) -> None:
    arn = register(workshop, group, CustomerMetadataProperties={"keep": "1", "drop": "2"})
    workshop.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looked at it",
        CustomerMetadataProperties={"new": "3"},
        CustomerMetadataPropertiesToRemove=["drop"],
        AdditionalInferenceSpecificationsToAdd=[{"Name": "other", "Containers": [{"Image": shop.XGBOOST}]}],
    )
    found = describe(workshop, arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Approved", "looked at it")
    assert found["CustomerMetadataProperties"] == {"keep": "1", "new": "3"}
    assert found["AdditionalInferenceSpecifications"][0]["Name"] == "other"
    assert "LastModifiedBy" in found


def test_only_an_approved_package_becomes_a_model(workshop: Workshop, group: str) -> None:
    data = workshop.put(
        f"{group}/model.tar.gz",
        shop.archive(
            {
                "code/inference.py": (
                    "import os\n"
                    "def model_fn(folder): return os.environ['A'] + os.environ.get('B', '')\n"
                    "def transform_fn(model, body, content_type, accept): return model, 'text/plain'\n"
                )
            }
        ),
    )
    arn = register(workshop, group, InferenceSpecification=specification(data=data))
    model = workshop.name("model")
    request: shop.Document = {
        "ModelName": model,
        "Containers": [{"ModelPackageName": arn, "Environment": {"B": " and model"}}],
        "ExecutionRoleArn": workshop.role,
    }
    with workshop.refused("ValidationException", "only an approved package"):
        workshop.sagemaker.create_model(**request)
    workshop.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    workshop.sagemaker.create_model(**request)
    name = workshop.deployed(workshop.variant(model))
    assert workshop.invoke(name, b"x") == b"package and model"
    workshop.gone(name)


def test_lists_show_the_versions_of_a_group(workshop: Workshop, group: str) -> None:
    arns = [register(workshop, group) for _ in range(3)]
    workshop.sagemaker.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")

    def listed(**query: Any) -> list[str]:
        pages = workshop.sagemaker.get_paginator("list_model_packages").paginate(
            **query, PaginationConfig={"PageSize": 2}
        )
        return [one["ModelPackageArn"] for page in pages for one in page["ModelPackageSummaryList"]]

    assert listed(ModelPackageGroupName=group) == arns[::-1]
    assert listed(ModelPackageGroupName=group, SortOrder="Ascending") == arns
    assert listed(ModelPackageGroupName=group, ModelApprovalStatus="Approved") == [arns[1]]
    by_arn = workshop.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    assert listed(ModelPackageGroupName=by_arn["ModelPackageGroupArn"]) == arns[::-1]
    assert not set(arns) & set(listed())
    assert set(arns) <= set(listed(ModelPackageType="Both"))
    assert set(arns) <= set(listed(ModelPackageType="Versioned"))


def test_a_package_may_have_a_name_and_no_group(workshop: Workshop) -> None:
    name = workshop.name("package")
    request: shop.Document = {"ModelPackageName": name, "InferenceSpecification": specification()}
    arn = workshop.sagemaker.create_model_package(**request)["ModelPackageArn"]
    assert describe(workshop, name)["ModelPackageArn"] == arn
    found = workshop.sagemaker.list_model_packages(NameContains=name)["ModelPackageSummaryList"]
    assert [one["ModelPackageName"] for one in found] == [name]
    with workshop.refused("ValidationException", "ModelPackage already exists"):
        workshop.sagemaker.create_model_package(**request)


def test_a_group_goes_only_when_it_is_empty(workshop: Workshop, group: str) -> None:
    arn = register(workshop, group)
    with workshop.refused("ConflictException", "not empty"):
        workshop.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    workshop.sagemaker.delete_model_package(ModelPackageName=arn)
    workshop.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with workshop.refused("ValidationException", "does not exist"):
        workshop.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    with workshop.refused("ValidationException", "does not exist"):
        register(workshop, group)


def test_a_group_of_a_taken_name_is_refused_in_the_words_that_clients_look_for(
    workshop: Workshop, group: str
) -> None:
    with workshop.refused("ValidationException", "already exists"):
        workshop.sagemaker.create_model_package_group(ModelPackageGroupName=group)


def test_a_group_whose_name_starts_another_ones_is_not_taken_for_it(workshop: Workshop, group: str) -> None:
    workshop.sagemaker.create_model_package_group(ModelPackageGroupName=f"{group}-2")
    register(workshop, f"{group}-2")
    workshop.sagemaker.delete_model_package_group(ModelPackageGroupName=group)


def test_groups_and_packages_are_found(workshop: Workshop, group: str) -> None:
    arn = register(workshop, group)

    def found(resource: str, name: str, value: str) -> list[str]:
        filters = [{"Name": name, "Operator": "Equals", "Value": value}]
        answer = workshop.sagemaker.search(Resource=resource, SearchExpression={"Filters": filters})
        return [one[resource][f"{resource}Arn"] for one in answer["Results"]]

    assert [one.rsplit("/", 1)[1] for one in found("ModelPackageGroup", "ModelPackageGroupName", group)] == [
        group
    ]
    assert found("ModelPackage", "ModelPackageGroupName", group) == [arn]
    assert found("ModelPackage", "ModelPackageName", group) == [arn]  # as Describe names it
    assert found("ModelPackageGroup", "ModelPackageGroupName", "nobody") == []


def test_a_version_can_be_tagged(workshop: Workshop, group: str) -> None:
    arn = register(workshop, group)
    workshop.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "risk"}])
    assert workshop.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "risk"}]


REFUSALS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"CertifyForMarketplace": True}, ("CertifyForMarketplace",)),
    ({"InferenceSpecification": specification(image="nobody/knows:1")}, ("nobody/knows:1",)),
    ({"ModelPackageName": "both"}, ("either ModelPackageName or ModelPackageGroupName",)),
    ({"SecurityConfig": {"KmsKeyId": "alias/x"}}, ("SecurityConfig",)),
]


@pytest.mark.parametrize(("changes", "words"), REFUSALS, ids=[words[0] for _, words in REFUSALS])
def test_a_request_that_cannot_be_carried_out_says_why(
    workshop: Workshop, group: str, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with workshop.refused("ValidationException", *words):
        register(workshop, group, **changes)
