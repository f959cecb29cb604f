from headrace.models.candidate import CARD


def test_the_card_says_what_a_person_would_ask(built):
    card = (built[0] / CARD).read_text()
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings == [
        "# Model card: tiny",
        "## Purpose",
        "## Data",
        "## How good",
        "## For whom",
        "## What moves it",
        "## Limits",
        "## Provenance",
    ]
    assert "Will a purchase be returned?" in card


def test_the_card_holds_the_figures_of_model_and_baselines(built):
    folder, report = built
    metrics = report.metrics
    line = " | ".join(f"{metrics[f'holdout/{whose}log_loss']:.4f}" for whose in ("", "linear_", "baseline_"))
    assert f"| log_loss | {line} |" in (folder / CARD).read_text()


def test_the_card_names_where_it_came_from(built):
    assert "- commit: `abc`" in (built[0] / CARD).read_text()
