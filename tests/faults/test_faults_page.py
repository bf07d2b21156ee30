"""The page about faults tells the rows that there are."""

from faults_page import PAGE, page


def test_the_page_tells_the_rows_that_there_are():
    assert page() == PAGE.read_text("utf-8"), "write it anew: python tests/faults/faults_page.py"
