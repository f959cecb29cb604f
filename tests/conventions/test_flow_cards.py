"""A flow's file is its card, its function, and its verb."""

import ast
import re

import pytest

from headrace.settings import ROOT
from tests.conventions.repository import functions, python_files, read
from tools.reference import read_card

FLOWS = [path for path in python_files("flows") if not path.name.startswith("__")]
MAKEFILE = read("Makefile")


def decorated(path, decorator):
    names = {node: {ast.unparse(found).partition("(")[0] for found in node.decorator_list} for node in functions(path)}
    return [node for node, found in names.items() if decorator in found]


@pytest.fixture(params=FLOWS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def flow(path):
    [found] = decorated(path, "flow")
    return found


def test_there_are_flows():
    assert len(FLOWS) >= 10


def test_the_card_says_what_it_reads_writes_and_asks(path):
    card = read_card(ROOT / path)
    assert set(card) == {"Does", "Reads", "Writes", "Gate", "Run"}
    assert card["Does"].partition(":")[0].lower().replace(" ", "") == path.stem.replace("_", "")


def test_the_card_names_a_verb_that_exists(path):
    verb = read_card(ROOT / path)["Run"].split()[1]
    # A verb may be a flow's first word: `make verify` runs verify_environment; or its name without the family's: `make index` runs llm_index.
    assert verb in {path.stem, path.stem.partition("_")[0], path.stem.removeprefix("llm_"), "run"}
    assert re.search(rf"^{verb}: .*## ", MAKEFILE, re.MULTILINE)


def test_file_and_function_have_one_name(path, flow):
    assert flow.name == path.stem
    assert ast.get_docstring(flow)


def test_the_form_explains_every_parameter(flow):
    explained = re.findall(r"^    (\w+): \S", (ast.get_docstring(flow) or "").partition("Args:")[2], re.MULTILINE)
    assert explained == [argument.arg for argument in (*flow.args.args, *flow.args.kwonlyargs)]


def test_the_body_is_short_and_catches_nothing(flow):
    assert len(ast.unparse([part for part in flow.body if not is_docstring(part)]).splitlines()) <= 40
    assert not any(isinstance(node, ast.Try) for node in ast.walk(flow))


def test_parameters_are_names_and_times_never_the_environment(flow):
    allowed = {"use_case", "as_of", "revision", "limit", "prompt", "by", "reason"}
    assert {argument.arg for argument in (*flow.args.args, *flow.args.kwonlyargs)} <= allowed
    assert all(argument.annotation is not None for argument in flow.args.args)


@pytest.mark.parametrize("path", python_files("tasks"), ids=lambda path: path.stem)
def test_a_task_is_a_thin_shell(path):
    sizes = {node.name: len(ast.unparse([part for part in node.body if not is_docstring(part)]).splitlines()) for node in decorated(path, "task")}
    assert {name: size for name, size in sizes.items() if size > 8} == {}


def is_docstring(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
