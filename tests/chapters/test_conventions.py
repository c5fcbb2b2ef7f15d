"""What CHAPTER anatomy, tags and the word-for-word rule ask of every notebook."""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest

from dlbook_utils.book.map import read_opening
from dlbook_utils.book.run import chapter_paths

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = chapter_paths(ROOT)


def identity(path):
    return str(path.relative_to(ROOT / "chapters").with_suffix(""))


@pytest.fixture(params=CHAPTERS, ids=identity)
def chapter(request):
    """Path and notebook of each chapter in turn."""
    return request.param, nbformat.read(request.param, as_version=4)


def prose(notebook):
    return [c.source for c in notebook.cells if c.cell_type == "markdown"]


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def test_every_notebook_is_in_the_table_of_contents():
    assert CHAPTERS
    assert sorted((ROOT / "chapters").rglob("*.ipynb")) == sorted(CHAPTERS)


def test_anatomy(chapter):
    path, notebook = chapter
    opening = read_opening(path)
    assert opening["title"] and opening["question"]
    first = notebook.cells[0].source
    for words in ("After this chapter you can", "What to know first", "minutes"):
        assert words in first, f"the first cell lacks {words!r}"
    text = "\n".join(prose(notebook))
    headings = re.findall(r"(?m)^## (.+)$", text)
    for heading in ("What people get wrong", "Summary", "Exercises", "Further reading"):
        assert any(heading in h for h in headings), f"no section {heading!r} among {headings}"
    assert any("import torch" in c.source for c in code_cells(notebook))
    widgets = sum("\nexplore(" in "\n" + c.source for c in code_cells(notebook))
    assert widgets >= 1
    assert len(re.findall(r"\*\*Predict\.?\*\*", text)) >= widgets, "a Predict before each explore"


def test_exercises_have_solutions(chapter):
    _, notebook = chapter
    text = "\n".join(c.source for c in notebook.cells)
    exercises = set(re.findall(r"\*\*(?:Exercise )?(\d+)[ .(]", text.split("## Exercises")[-1]))
    solutions = set(re.findall(r"Solution (\d+)", text))
    assert 6 <= len(exercises) <= 8, sorted(exercises)
    assert exercises == solutions


def test_cells_are_short(chapter):
    _, notebook = chapter
    lengths = [sum(bool(line.strip()) for line in c.source.splitlines()) for c in code_cells(notebook)]
    assert statistics.median(lengths) <= 8
    assert max(lengths) <= 30
    wide = [line for c in code_cells(notebook) for line in c.source.splitlines() if len(line) > 88]
    assert not wide, f"lines of code that a page cannot hold: {wide}"


def test_outputs_are_the_kept_ones(chapter):
    _, notebook = chapter
    for cell in code_cells(notebook):
        assert cell.execution_count is None
        assert ("keep_output" in tags(cell)) == ("nbval-check-output" in tags(cell)), cell.source[:80]
        assert bool(cell.outputs) == ("keep_output" in tags(cell)), f"outputs do not fit the tags: {cell.source[:80]}"
    assert any("keep_output" in tags(c) for c in code_cells(notebook))


def test_solution_cells_are_folded_everywhere(chapter):
    _, notebook = chapter
    for cell in code_cells(notebook):
        if cell.source.startswith("# @title Solution"):
            assert "hide-cell" in tags(cell)
            assert cell.metadata.get("cellView") == "form"
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True


def test_claims_are_asserted(chapter):
    _, notebook = chapter
    assert sum(bool(re.search(r"\bassert\b|checks\.", c.source)) for c in code_cells(notebook)) >= 10


def test_markdown_survives_four_readers(chapter):
    _, notebook = chapter
    for text in prose(notebook):
        assert not re.search(r"(?m)^(```\{|:::)|\{(ref|eq|cite|numref|doc|term)[^}]*\}`", text), text[:200]
        assert not re.search(r"\\(newcommand|def|label|eqref|require)\b", text), text[:200]
        assert not re.search(r"!\[", text), "images come from cells"
        assert not re.search(r"\b(TODO|FIXME|TBD|lorem)\b", text), text[:200]


def test_equation_numbers_are_unique_and_exist(chapter):
    _, notebook = chapter
    text = "\n".join(prose(notebook))
    numbers = re.findall(r"\\tag\{([^}]*)\}", text)
    assert len(numbers) == len(set(numbers)) > 3
    cited = set(re.findall(r"(?<![\w$\\{])\((\d+\.\d+)\)(?!\$| of \[)", text))
    assert cited <= set(numbers), f"cited, but not there: {sorted(cited - set(numbers))}"


def test_one_spelling(chapter):
    """The field writes regularization, so the book writes -ize throughout (and colour: Oxford spelling)."""
    stems = "regular|normal|minim|maxim|optim|general|initial|standard|summar|memor|penal|factor|organ|recogn|real"
    _, notebook = chapter
    assert not re.findall(rf"\w*(?:{stems})is(?:e|ed|es|ing|er|ers|ation|ations)\b|learnt", "\n".join(prose(notebook)))


def test_equations_of_other_chapters_exist(chapter):
    """They are cited as `equation (2.12) of [Learning from data](../origins/concepts.ipynb)`."""
    path, notebook = chapter
    for number, target in re.findall(r"\((\d+\.\d+)\) of \[[^\]]*\]\(([^)#]+)\)", "\n".join(prose(notebook))):
        there = "\n".join(prose(nbformat.read(path.parent / target, as_version=4)))
        assert f"\\tag{{{number}}}" in there, f"{target} has no equation ({number})"


def test_links_between_files_lead_somewhere(chapter):
    path, notebook = chapter
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", "\n".join(prose(notebook))):
        if not re.match(r"https?:|mailto:", target):
            assert (path.parent / target).exists(), target


def test_nothing_private(chapter):
    path, _ = chapter
    assert not re.search(r"/root/|/work/|/home/|/tmp/|pypi|localhost", path.read_text(), flags=re.I)


def test_kernel_is_the_plain_one(chapter):
    _, notebook = chapter
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert set(notebook.metadata.get("language_info", {})) <= {"name"}


# -- the word-for-word rule -----------------------------------------------------------------------------------------


class _Bare(ast.NodeTransformer):
    """Drops what a chapter may leave to the library's reference: docstrings and annotations."""

    def _body(self, node):
        self.generic_visit(node)
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            if isinstance(node.body[0].value.value, str):
                node.body = node.body[1:] or [ast.Pass()]
        return node

    def visit_ClassDef(self, node):
        return self._body(node)

    def visit_FunctionDef(self, node):
        node.returns = None
        return self._body(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value)


def definitions(source):
    """Public functions, classes and CONSTANTS at the top level: name -> syntax tree in text form."""
    # magics are no Python; the lines of a %%cell go with them
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    lines = [re.sub(r"\S.*", "pass", raw) if new == "pass" else new for raw, new in zip(source.splitlines(), lines)]
    found = {}
    for node in ast.parse("\n".join(lines)).body:
        names = [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
        if isinstance(node, ast.Assign):
            names = [t.id for t in node.targets if isinstance(t, ast.Name) and t.id.isupper()]
        for name in names:
            if not name.startswith("_"):
                found[name] = ast.dump(_Bare().visit(ast.fix_missing_locations(node)))
    return found


def taught_modules():
    scratch = sorted((ROOT / "dlbook_utils" / "scratch").glob("*.py"))
    models = sorted((ROOT / "dlbook_utils" / "models").glob("*.py"))
    return [path for path in scratch + models if path.name != "__init__.py"]


def all_cells():
    return [(path, cell.source) for path in CHAPTERS for cell in code_cells(nbformat.read(path, as_version=4))]


@pytest.mark.parametrize("module", taught_modules(), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_library_and_chapters_agree_word_for_word(module):
    library = definitions(module.read_text())
    assert library
    taught = {}
    for path, source in all_cells():
        for name, tree in definitions(source).items():
            taught.setdefault(name, []).append((path, tree))
    for name, tree in library.items():
        same = [path for path, other in taught.get(name, []) if other == tree]
        assert same, f"{module.name}: {name} is taught in no chapter word for word"


def test_definitions_are_told_apart():
    """The comparison ignores docstrings and annotations, and nothing else."""
    library = 'def f(x: int) -> int:\n    """Doc."""\n    return x + 1'
    assert definitions(library) == definitions("def f(x):\n    return x + 1")
    assert definitions(library) != definitions("def f(x):\n    return x - 1")
    assert definitions(library) != definitions("def f(y):\n    return y + 1")
