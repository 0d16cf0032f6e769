"""deploy/aws/*.yaml without deploying them: cfn-lint, and what must agree with the code and with each other."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.__main__ import KEEP_ALIVE
from darkroom.local.functions import ZippedFunctions, zip_of_code
from darkroom.provision.stack import TEMPLATES
from darkroom.settings import PROJECT, Settings
from tests.support.templates import NAMES, decode, faults_of, load

MOST_BYTES = 51_200
"""Of a template that is sent with the request."""

STOP_TIMEOUT = 120
"""Seconds; Fargate has no longer one."""


@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    assert faults_of(TEMPLATES / name, checks=["I"], regions=["us-east-1", "eu-central-1"]) == []


@pytest.mark.parametrize("name", NAMES)
def test_cloudformation_accepts_the_template_without_preprocessing(name: str) -> None:
    """Neither too long nor with YAML's anchors, which only the AWS CLI resolves, nor with a transform."""
    text = (TEMPLATES / name).read_text()
    assert len(text.encode()) <= MOST_BYTES
    assert not re.search(r"(^|\s)[&*][a-z-]+\s*$", text, re.MULTILINE)
    assert "Transform" not in load(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_sam_cli_can_read_the_template(name: str) -> None:
    """It compares runtimes and kinds of packages with its own, before CloudFormation says which of two there is."""
    for resource in load(name)["Resources"].values():
        for chosen in ("Runtime", "PackageType"):
            assert isinstance(resource["Properties"].get(chosen, ""), str)


@pytest.mark.parametrize("name", NAMES)
def test_every_darkroom_variable_is_a_setting(name: str) -> None:
    named = set(re.findall(r"\bDARKROOM_[A-Z_]+\b", (TEMPLATES / name).read_text()))
    assert {variable.removeprefix("DARKROOM_").lower() for variable in named} <= Settings.model_fields.keys()


# --- data ---


def test_the_visibility_timeout_is_six_times_the_functions_timeout() -> None:
    visibility = load("data.yaml")["Parameters"]["VisibilityTimeout"]["Default"]
    assert visibility >= 6 * load("serverless.yaml")["Parameters"]["WorkerTimeout"]["Default"]


def test_the_lifecycle_deletes_no_file_that_still_waits() -> None:
    """Neither a file whose notification is still on a queue, nor one whose form may still be used."""
    resources = load("data.yaml")["Resources"]
    kept = resources["IngestQueue"]["Properties"]["MessageRetentionPeriod"]
    longest_form = max(bound.le for bound in Settings.model_fields["upload_ttl"].metadata if hasattr(bound, "le"))
    rules = resources["Photos"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {
        rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") in ("uploads/", "incoming/")
    }
    assert days.keys() == {"uploads/", "incoming/"}
    assert min(days.values()) * 86_400 > max(kept, longest_form)


def test_the_bucket_may_notify_of_direct_uploads_and_drops() -> None:
    resources = load("data.yaml")["Resources"]
    assert resources["Photos"]["DependsOn"] == "IngestQueuePolicy"
    notified = resources["Photos"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    prefixes = {rule["Value"] for one in notified for rule in one["Filter"]["S3Key"]["Rules"]}
    assert prefixes == {"uploads/", "incoming/"}
    statement = resources["IngestQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"].keys() == {"ArnEquals", "StringEquals"}


def test_bucket_and_queues_require_tls() -> None:
    template = load("data.yaml")
    assert template["Parameters"]["RequireTls"]["Default"] == "true"
    refused = {json.dumps(queue["Ref"]) for queue in template["Resources"]["QueuesPolicy"]["Properties"]["Queues"]}
    queues = [name for name, one in template["Resources"].items() if one["Type"] == "AWS::SQS::Queue"]
    # The ingest queue has a policy of its own, which says the same.
    assert refused == {json.dumps(queue) for queue in queues if queue != "IngestQueue"}
    own = template["Resources"]["IngestQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][1]
    assert own["Fn::If"][1]["Effect"] == "Deny"


def test_every_queue_is_encrypted_and_dead_letter_queues_accept_only_their_own_queue() -> None:
    queues = {
        name: resource["Properties"]
        for name, resource in load("data.yaml")["Resources"].items()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    assert len(queues) == 10
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        assert ("RedriveAllowPolicy" in queue) == name.endswith("DeadLetters")


# --- gateway ---


def test_the_gateway_never_takes_the_owner_from_the_body() -> None:
    template = json.dumps(ingest_integration()["RequestTemplates"])
    assert "$.owner" not in template
    assert "$input.body" not in template
    # What a caller says comes as JSON, and every piece is encoded for the form.
    assert set(re.findall(r"\$input\.(\w+)\(", template)) == {"json"}


def test_the_gateway_passes_photos_as_binary_and_json_as_text() -> None:
    types = load("gateway.yaml")["Resources"]["Gateway"]["Properties"]["BinaryMediaTypes"]
    assert "multipart/form-data" in types
    assert "image/*" in types, "a type that is not listed passes as text, which damages the photo"
    assert not [kind for kind in types if kind.startswith("*") or "json" in kind]


def test_the_gateway_has_the_longest_timeout() -> None:
    methods = [one for one in load("gateway.yaml")["Resources"].values() if one["Type"] == "AWS::ApiGateway::Method"]
    assert {method["Properties"]["Integration"]["TimeoutInMillis"] for method in methods} == {29_000}


def ingest_integration() -> dict[str, Any]:
    found: dict[str, Any] = load("gateway.yaml")["Resources"]["IngestMethod"]["Properties"]["Integration"]
    return found


def test_the_gateways_own_errors_are_problem_json() -> None:
    responses = [
        one for one in load("gateway.yaml")["Resources"].values() if one["Type"] == "AWS::ApiGateway::GatewayResponse"
    ]
    assert responses
    for response in responses:
        (text,) = response["Properties"]["ResponseTemplates"].values()
        problem = json.loads(text.replace("$context.error.messageString", '"as API Gateway says it"'))
        assert problem.keys() >= {"type", "title", "request_id"}
        assert str(problem.get("status", "")) == response["Properties"].get("StatusCode", "")


def test_a_request_that_is_too_large_is_told_about_direct_uploads() -> None:
    too_large = load("gateway.yaml")["Resources"]["TooLarge"]["Properties"]
    assert too_large["ResponseType"] == "REQUEST_TOO_LARGE"
    assert "POST /v1/uploads" in too_large["ResponseTemplates"]["application/json"]


def test_the_gateways_access_log_is_json() -> None:
    setting = load("gateway.yaml")["Resources"]["Stage"]["Properties"]["AccessLogSetting"]
    # "-" stands for what there is not, such as the error of a request that went well.
    line = json.loads(
        re.sub(r"\$context\.(requestTimeEpoch|status|responseLatency)\b", "1", setting["Fn::If"][1]["Format"])
    )
    assert line.keys() >= {"request_id", "at", "method", "path", "status", "error"}


def test_the_stage_depends_on_its_log_role() -> None:
    resources = load("gateway.yaml")["Resources"]
    assert resources["Stage"]["Metadata"]["After"]["Fn::If"][:2] == [
        resources["Account"]["Condition"],
        {"Ref": "Account"},
    ]


# --- serverless ---


def lambda_functions() -> dict[str, dict[str, Any]]:
    resources = load("serverless.yaml")["Resources"]
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::Lambda::Function"}


def test_functions_use_the_images_python() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    for function in lambda_functions().values():
        python, *module = function["ImageConfig"]["EntryPoint"]
        # By its whole name: nothing says that PATH is the image's.
        assert f"pip --python {python} " in dockerfile
        assert module == ["-m", "awslambdaric"]


def test_the_zip_of_functions_has_the_profiles_fonts_and_models_of_the_worker() -> None:
    with zipfile.ZipFile(io.BytesIO(zip_of_code())) as archive:
        names = archive.namelist()
    kinds = {Path(name).suffix for name in names if name.startswith("worker/")}
    assert kinds == {".py", ".icc", ".ttf", ".txt", ".weights"}
    assert "worker/photo/operations/fonts/liberation-licence.txt" in names


def test_functions_from_a_zip_are_equal_to_those_from_the_image() -> None:
    text = ZippedFunctions("zipped", TEMPLATES / "serverless.yaml").text
    assert [str(fault) for fault in faults_of(text) if fault.rule.severity == "error"] == []
    made = decode(text)["Resources"]
    for name, function in lambda_functions().items():
        zipped = made[name]["Properties"]
        assert [zipped.pop("Handler")] == function.pop("ImageConfig")["Command"]
        assert zipped.pop("Runtime").startswith("python3.")
        assert zipped.pop("Code").keys() == {"S3Bucket", "S3Key"}
        assert function.pop("PackageType") == "Image"
        del function["Code"]
        assert zipped == function


def test_the_bucket_keeps_photos_a_day_longer_than_their_records() -> None:
    template = load("darkroom.yaml")
    lifetimes = {int(days): found["InTheBucket"] for days, found in template["Mappings"]["Days"].items()}
    assert list(lifetimes) == template["Parameters"]["RetentionDays"]["AllowedValues"]
    assert lifetimes == {days: days and days + 1 for days in lifetimes}


def test_workers_have_time_for_both_tries_of_a_photo() -> None:
    for limit, seconds in load("darkroom.yaml")["Mappings"]["Seconds"].items():
        assert seconds["Worker"] >= 2 * int(limit) + 10
        assert seconds["Visibility"] == 6 * seconds["Worker"]


def test_the_gateway_uses_the_names_of_the_functions() -> None:
    """It comes first: nothing but the names holds the two together."""
    named = load("darkroom.yaml")["Resources"]["Gateway"]["Properties"]["Parameters"]
    functions = load("serverless.yaml")["Resources"]
    for given, function in (
        (named["ApiFunction"], "Api"),
        (named["AuthorizerFunction"]["Fn::If"][1], "Authorizer"),
    ):
        assert (
            given["Fn::Sub"].rpartition(":function:")[2] == functions[function]["Properties"]["FunctionName"]["Fn::Sub"]
        )


def test_permissions_to_call_the_functions_are_in_the_functions_template() -> None:
    """With the gateway it would have to come after them, and its address after both."""
    kinds = {name: {one["Type"] for one in load(name)["Resources"].values()} for name in NAMES}
    assert [name for name in NAMES if "AWS::Lambda::Permission" in kinds[name]] == ["serverless.yaml"]


def test_functions_that_check_owners_have_the_same_settings() -> None:
    functions = load("serverless.yaml")["Resources"]
    keys = {
        json.dumps(functions[name]["Properties"]["Environment"]["Variables"]["DARKROOM_API_KEYS"])
        for name in ("Api", "Authorizer", "Worker")
    }
    assert len(keys) == 1


# --- fargate ---


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for resource in load("fargate.yaml")["Resources"].values():
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            for container in resource["Properties"]["ContainerDefinitions"]:
                yield resource["Properties"], container


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["Name"]: entry["Value"] for entry in container["Environment"]}


def test_tasks_are_locked_down() -> None:
    for _, container in containers():
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] == "10001:10001"
        assert container["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}


def test_folders_that_tasks_write_to_belong_to_the_images_user() -> None:
    """Fargate gives a bind mount to root unless the image has a VOLUME there."""
    dockerfile = (PROJECT / "Dockerfile").read_text()
    volumes = json.loads(re.findall(r"^VOLUME (\[.*\])$", dockerfile, re.MULTILINE)[0])
    for task, container in containers():
        mounts = {mount["ContainerPath"]: mount["SourceVolume"] for mount in container["MountPoints"]}
        assert set(mounts) == set(volumes)
        assert sorted(mounts.values()) == sorted(volume["Name"] for volume in task["Volumes"])
        assert environment(container)["DARKROOM_SPOOL_DIR"] in mounts


def test_a_stopped_task_has_time_to_finish() -> None:
    stop = {container["Name"]: container["StopTimeout"] for _, container in containers()}
    worker = next(container for _, container in containers() if container["Name"] == "worker")
    grace = int(environment(worker)["DARKROOM_STOP_GRACE"])
    assert grace == Settings.model_fields["stop_grace"].default
    assert load("fargate.yaml")["Parameters"]["TimeLimit"]["Default"] < grace < stop["worker"] <= STOP_TIMEOUT
    assert stop["api"] > 30  # what gunicorn gives to requests under way


def services() -> list[dict[str, Any]]:
    resources = load("fargate.yaml")["Resources"].values()
    found = [one["Properties"] for one in resources if one["Type"] == "AWS::ECS::Service"]
    assert len(found) == 2
    return found


def test_a_bad_release_is_rolled_back() -> None:
    for service in services():
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_an_update_keeps_the_number_of_tasks() -> None:
    assert [service for service in services() if "DesiredCount" in service] == []


def test_the_load_balancer_closes_idle_connections_before_the_api_and_after_every_wait() -> None:
    template = load("fargate.yaml")
    attributes = template["Resources"]["Balancer"]["Properties"]["LoadBalancerAttributes"]
    (idle,) = [int(one["Value"]) for one in attributes if one["Key"] == "idle_timeout.timeout_seconds"]
    assert idle < KEEP_ALIVE
    assert idle > Settings.model_fields["silence"].default
    wait = template["Parameters"]["MaxWait"]
    assert idle > wait["MaxValue"] >= wait["Default"] == Settings.model_fields["max_wait"].default


def test_a_task_is_not_replaced_when_aws_does_not_answer() -> None:
    assert load("fargate.yaml")["Resources"]["Target"]["Properties"]["HealthCheckPath"] == "/healthz"


def test_links_use_the_host_of_the_certificate() -> None:
    (rule,) = load("fargate.yaml")["Rules"].values()
    assert rule["RuleCondition"] == given("Certificate")
    assert [assertion["Assert"] for assertion in rule["Assertions"]] == [given("PublicUrl")]


def given(parameter: str) -> dict[str, Any]:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def test_scaling_returns_exactly_one_metric() -> None:
    policy = load("fargate.yaml")["Resources"]["WorkerScaling"]["Properties"]
    metrics = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
    (answer,) = [metric for metric in metrics if metric["ReturnData"]]
    others = {metric["Id"] for metric in metrics} - {answer["Id"]}
    # No functions. FILL, above all, fills what is only late.
    assert set(re.findall(r"\w+", answer["Expression"])) == others


# --- pages of other origins ---


@pytest.mark.parametrize("name", ["data.yaml", "serverless.yaml", "darkroom.yaml", "fargate.yaml"])
def test_origins_with_spaces_are_refused(name: str) -> None:
    """The bucket's rule would hold " https://b.example", which no browser sends."""
    pattern = load(name)["Parameters"]["CorsOrigins"]["AllowedPattern"]
    assert re.fullmatch(pattern, "https://a.example,https://*.b.example")
    assert re.fullmatch(pattern, "")
    assert not re.fullmatch(pattern, "https://a.example, https://b.example")


def test_the_api_gets_origins_and_signing_keys_on_lambda_and_on_fargate() -> None:
    names = {"DARKROOM_CORS_ORIGINS", "DARKROOM_SIGNING_KEYS"}
    assert names <= load("serverless.yaml")["Resources"]["Api"]["Properties"]["Environment"]["Variables"].keys()
    api = next(container for _, container in containers() if container["Name"] == "api")
    secrets = [choice for entry in api["Secrets"] for choice in entry["Fn::If"] if "Name" in choice]
    assert names <= environment(api).keys() | {secret["Name"] for secret in secrets}
    nested = load("darkroom.yaml")["Resources"]
    for stack, given_names in {"Data": ["CorsOrigins"], "Functions": ["CorsOrigins", "SigningKeys"]}.items():
        assert set(given_names) <= nested[stack]["Properties"]["Parameters"].keys()
