"""The table of figures: shares with their intervals, written between its marks."""

from benchmarks.guardrails.figures import BEGIN, END, Figure, format_table, measure, write_table
from benchmarks.guardrails.samples import Sample


def test_a_share_stands_under_recall_or_false_alarms_with_its_interval():
    attack = Figure(guardrail="leak", sample="prompts", is_attack=True, blocked_count=10, count=10, ms=None)
    harmless = Figure(guardrail="leak", sample="answers", is_attack=False, blocked_count=0, count=100, ms=1.234)
    assert format_table([attack, harmless])[2:] == [
        "| leak | prompts | 10 | 100.0% (72.2% to 100.0%) |  | - |",
        "| leak | answers | 100 |  | 0.0% (0.0% to 3.7%) | 1.2 |",
    ]


def test_every_text_is_judged_once_with_its_place():
    seen = []
    figure = measure("leak", Sample("two", True, ("a", "b")), lambda place, text: bool(seen.append((place, text))) or text == "b")
    assert (figure.blocked_count, figure.count, seen) == (1, 2, [(0, "a"), (1, "b")])


def test_the_table_is_written_between_its_marks_again_and_again(tmp_path):
    path = tmp_path / "document.md"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        write_table(path, ["| a |", "|---|"])
        assert path.read_text(encoding="utf-8") == f"before\n\n{BEGIN}\n\n| a |\n|---|\n\n{END}\n\nafter\n"
