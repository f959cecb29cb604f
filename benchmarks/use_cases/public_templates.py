"""What the closest public templates ask for between a table of one's own and a model of it, read from their own repositories.

Counted alike for all. A step is a command typed or a documented action in a page; changing folders, virtual environments, variables of
a shell and what the documentation calls optional are none, and neither is getting an account. Files are those of the template that
have to be edited or written before the run is about the person's table. Nothing of it was run: commit and file say where to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Template:
    """One template, as it comes.

    Attributes:
        name: Its name.
        set_up: Steps once per team or repository.
        steps: Steps for each table.
        files: Files to edit for each table; of set-up too, where it has some.
        minutes: What its documentation says about time.
        needs: What has to be there before.
        blocks: What stops a bad model, with no setting changed.
        source: Repository and commit that were read.
    """

    name: str
    set_up: int
    steps: int
    files: str
    minutes: str
    needs: str
    blocks: str
    source: str


TEMPLATES: Sequence[Template] = (
    Template(
        name="MLflow Recipes, classification (gone with MLflow 3)",
        set_up=2,
        steps=1,
        files="2, with 7 values; 4 for CSV",
        minutes="not stated",
        needs="MLflow 2",
        blocks="yes: without a criterion nothing is registered",
        source="mlflow/recipes-classification-template@8748692: README.md, recipe.yaml",
    ),
    Template(
        name="ZenML, end to end batch",
        set_up=4,
        steps=1,
        files="1; 2 with text columns",
        minutes="not stated",
        needs="a local stack",
        blocks="against the promoted model; the first passes unseen",
        source="zenml-io/template-e2e-batch@b6d727e: model_evaluator.py, promote_with_metric_compare.py",
    ),
    Template(
        name="Kedro, spaceflights-pandas",
        set_up=3,
        steps=1,
        files="5",
        minutes="30, for its own data",
        needs="nothing else",
        blocks="no; it has no registry",
        source="kedro-org/kedro-starters@7350687: spaceflights-pandas",
    ),
    Template(
        name="fmind MLOps Python package",
        set_up=2,
        steps=2,
        files="2; 3 for classes; and a script that splits the table",
        minutes="not stated",
        needs="Python 3.14, uv, mise",
        blocks="bad data yes; models after their promotion",
        source="fmind/mlops-python-package@cc7ba01: schemas.py, mise.toml",
    ),
    Template(
        name="Databricks MLOps Stacks",
        set_up=2,
        steps=4,
        files="3 to 6",
        minutes="not stated",
        needs="a Databricks workspace, the table in Delta",
        blocks="no: validation comes as `dry_run`",
        source="databricks/mlops-stacks@13a10eb: validation, model-workflow-resource.yml",
    ),
    Template(
        name="Azure MLOps v2, classical",
        set_up=13,
        steps=3,
        files="3 to 4, and 3 of set-up",
        minutes="several for training; up to 90 on trial subscriptions",
        needs="an Azure subscription, a GitHub organization",
        blocks="compares with the registered ones",
        source="Azure/mlops-v2@2d997c6: deployguide_gha.md; Azure/mlops-project-template@1252e0c",
    ),
    Template(
        name="AWS SageMaker project, GitHub Actions",
        set_up=22,
        steps=4,
        files="2 to 4, and 2 of set-up",
        minutes="not stated",
        needs="an AWS account, a SageMaker domain",
        blocks="yes: an error bar, then two approvals",
        source="aws-samples/sagemaker-custom-project-templates@6906ed9: s3_templates/mlops-github-actions",
    ),
    Template(
        name="Google Vertex Pipelines samples",
        set_up=7,
        steps=4,
        files="6",
        minutes="not stated",
        needs="an empty GCP project, Terraform, BigQuery",
        blocks="against the default model; the first passes unseen",
        source="GoogleCloudPlatform/vertex-pipelines-end-to-end-samples@a78d2f6: README.md, USAGE.md",
    ),
)


def format_templates(minutes: str) -> list[str]:
    """The templates as Markdown, Headrace first.

    Args:
        minutes: What was measured for Headrace.
    """
    header = ("Template", "Steps: set-up + per table", "Files edited", "Minutes it states", "Needs", "Blocks a bad model, as it comes")
    ours = ("Headrace", "1 + 2", "0", f"{minutes}, measured", "Python 3.11, make", "yes: without a verdict no promotion; the first must beat a rule")
    rows = [(one.name, f"{one.set_up} + {one.steps}", one.files, one.minutes, one.needs, one.blocks) for one in TEMPLATES]
    return ["| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), ours, *rows)]
