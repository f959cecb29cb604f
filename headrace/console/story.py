"""The story page: one self-contained HTML file."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headrace.console.pages import story_path, write_page, write_quality_page
from headrace.console.summary import summarize
from headrace.settings import Settings
from headrace.use_case import UseCase

_TEMPLATES = Path(__file__).parent / "templates"


def render_story(settings: Settings, case: UseCase) -> str:
    """The page as HTML."""
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("story.html.j2").render(settings=settings, case=case, sections=[{"title": "Summary", "body": summarize(settings, case)}])


def write_story(settings: Settings, case: UseCase) -> Path:
    """Write the page, and the data quality page that it links to; returns where it lies."""
    write_quality_page(settings, case)
    return write_page(story_path(settings, case), render_story(settings, case))
