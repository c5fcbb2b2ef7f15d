"""Chapters are executed again exactly when something that they may depend on has changed."""

import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dlbook_utils.book import formulas, map, run


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """A book of two tiny chapters and a package of one module."""
    monkeypatch.setenv("DLBOOK_EXPLORE", "static")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "dlbook_utils" / "book").mkdir(parents=True)
    (tmp_path / "dlbook_utils" / "data.py").write_text("x = 1\n")
    (tmp_path / "dlbook_utils" / "book" / "page.py").write_text("y = 1\n")
    (tmp_path / "requirements.txt").write_text("numpy==1\n")
    (tmp_path / "_toc.yml").write_text("root: intro\nchapters:\n- file: one\n- file: two\n")
    for name in ("one", "two"):
        write(tmp_path / f"{name}.ipynb", "print(1)")
    return tmp_path


def write(path, code, text="Some prose."):
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(new_notebook(cells=[new_markdown_cell(text), new_code_cell(code)], metadata=metadata), path)


def executed(root, capsys):
    run.run_chapters(root)
    out = capsys.readouterr().out
    return sorted(name for name in ("one", "two") if f"{name}.ipynb: ran in" in out)


def test_only_what_changed_runs_again(small_book, capsys):
    assert executed(small_book, capsys) == ["one", "two"]
    assert executed(small_book, capsys) == []
    write(small_book / "one.ipynb", "print(1)", text="Other prose.")
    assert executed(small_book, capsys) == []
    write(small_book / "one.ipynb", "print(2)")
    assert executed(small_book, capsys) == ["one"]
    (small_book / "dlbook_utils" / "book" / "page.py").write_text("y = 2\n")  # the page's side: no chapter sees it
    assert executed(small_book, capsys) == []
    (small_book / "dlbook_utils" / "data.py").write_text("x = 2\n")
    assert executed(small_book, capsys) == ["one", "two"]


def test_a_failing_chapter_is_named_and_the_others_are_kept(small_book, capsys):
    write(small_book / "two.ipynb", "1 / 0")
    with pytest.raises(SystemExit, match="1 of 2 chapters failed"):
        run.run_chapters(small_book)
    out = capsys.readouterr().out
    assert "two.ipynb failed" in out and "ZeroDivisionError" in out
    write(small_book / "two.ipynb", "print(3)")
    assert executed(small_book, capsys) == ["two"]


def test_changed_pins_and_added_modules_count(small_book):
    before = run.package_fingerprint(small_book)
    (small_book / "requirements.txt").write_text("numpy==2\n")
    pins = run.package_fingerprint(small_book)
    (small_book / "dlbook_utils" / "models").mkdir()
    (small_book / "dlbook_utils" / "models" / "net.py").write_text("")
    assert len({before, pins, run.package_fingerprint(small_book)}) == 3
    shutil.rmtree(small_book / "dlbook_utils" / "models")
    assert run.package_fingerprint(small_book) == pins


def test_opening_must_hold_title_and_question(tmp_path):
    notebook = new_notebook(cells=[new_markdown_cell("# Title\n\n**Why is it so?**\n\nNeeds [x](../a/b.ipynb).")])
    nbformat.write(notebook, tmp_path / "good.ipynb")
    opening = map.read_opening(tmp_path / "good.ipynb")
    assert (opening["title"], opening["question"]) == ("Title", "Why is it so?")
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title\n\nNo question here.")]), tmp_path / "bad.ipynb")
    with pytest.raises(ValueError, match="question"):
        map.read_opening(tmp_path / "bad.ipynb")


def test_a_formula_that_katex_cannot_read_is_an_error():
    assert "katex" in formulas.render_formula(r"\frac{a}{b}", display=False)
    with pytest.raises(ValueError, match="cannot read the formula"):
        formulas.render_formula(r"\frac{a", display=True)


def test_chapters_cannot_reach_out():
    """Kernels inherit the guard: what connects to another host fails."""
    import socket

    with pytest.raises(OSError, match="without a network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
