"""Markdown is read as the page it makes; plain text by its underlines."""

from headrace.llm.sectioning import split_document


def split(text, media_type):
    return [
        (section.section_id, section.heading_path, section.text) for section in split_document(text.encode(), media_type=media_type, document_id="a")
    ]


def test_markdown_has_its_headings_code_and_tables():
    text = (
        "---\ntitle: x\n---\n# Shop\n\nWe sell [tea](https://x) and *milk*.\n\n"
        "## Hours\n\n```\n# no heading\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>x</script>\n"
    )
    assert split(text, "text/markdown") == [
        ("a#shop", "Shop", "We sell tea and milk."),
        ("a#hours", "Shop > Hours", "# no heading\n\na  b\n1  2"),
    ]


def test_the_title_in_a_pages_settings_is_its_heading_where_it_has_no_other():
    for settings in ('---\ntags: [a]\ntitle: "Tea & milk"\n---\n', "+++\ntitle = 'Tea & milk'\n+++\n", "---\ntitle: Tea & milk\n...\n"):
        assert split(settings + "\nSold daily.\n\n## Hours\n\nNine.\n", "text/markdown") == [
            ("a#tea-milk", "Tea & milk", "Sold daily."),
            ("a#hours", "Tea & milk > Hours", "Nine."),
        ]
    assert split("---\ntitle: x\n---", "text/markdown") == []
    assert split("---\ndraft: true\n---\nText.", "text/markdown") == [("a#beginning", "a", "Text.")]


def test_plain_text_is_split_at_underlined_lines():
    assert split("Before.\n\nShop\n====\nTea.\n\nHours\n-----\nMonday.\n", "text/plain") == [
        ("a#beginning", "a", "Before."),
        ("a#shop", "Shop", "Tea."),
        ("a#hours", "Shop > Hours", "Monday."),
    ]


def test_plain_text_without_headings_is_one_section_and_a_table_line_is_no_heading():
    text = "first line\nsecond line\n-----------\nthird"
    assert split(text, "text/plain") == [("a#beginning", "a", text)]
    assert split("\n \n", "text/plain") == []
