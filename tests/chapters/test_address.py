"""The repository's address stands once, in `_config.yml`; everything else agrees with it and follows by one command."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("address", ROOT / "tools" / "address.py")
address = importlib.util.module_from_spec(spec)
spec.loader.exec_module(address)

OTHER = "https://github.com/Some-One/a.book"


@pytest.fixture
def copy(tmp_path):
    """A copy of every file that may hold the address, and of a README and a notebook that surely do."""
    for path in address.files(ROOT):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    url, colab, pages = address.links(address.current(ROOT))
    (tmp_path / "sample.md").write_bytes(
        f"[code]({url}), [{url}.git]({url}/issues), see {url}.\r\n[run](https://{colab}/blob/main/x.ipynb)\n"
        f"[read]({pages}/) and not {url}-2, {url}.x, http://{colab}2\n".encode()
    )
    setup = f'%pip install -q "git+{url}"\n'
    cells = [{"cell_type": "code", "id": "a", "metadata": {}, "source": ["import x\n", setup], "outputs": []}]
    (tmp_path / "chapters/sample.ipynb").write_text(
        json.dumps({"cells": cells, "é": "é"}, indent=3, ensure_ascii=False)
    )
    return tmp_path


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_occurrence_agrees_with_the_configuration():
    url, colab, pages = address.links(address.current(ROOT))
    assert address.checked(url) == url
    for path in address.files(ROOT):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r'git\+(https?:[^"\\\s)]+)', text)) <= {url}, path
        for link in re.findall(r"colab\.research\.google\.com/github/[\w.-]+/[\w.-]+", text):
            assert link == colab, path
        for link in re.findall(r"https://[\w.-]+\.github\.io/[\w.-]+", text) if path.name == "README.md" else []:
            assert link == pages, path


def test_every_notebook_fetches_the_library_from_the_address():
    for path in ROOT.glob("chapters/**/*.ipynb"):
        if ".ipynb_checkpoints" not in path.parts:
            sources = "".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
            assert sources.count(f'%pip install -q "git+{address.current(ROOT)}"') == 1, path


def test_all_and_only_the_address_changes(copy):
    before, old = contents(copy), address.links(address.current(copy))
    changed = address.set_address(copy, OTHER)
    assert address.current(copy) == OTHER
    new = address.links(OTHER)
    for name, content in before.items():
        text = content.decode()
        for one, other in zip(old, new, strict=True):
            text = re.sub(re.escape(one) + address.END, lambda _, other=other: other, text)
        assert (copy / name).read_bytes() == text.encode(), name
        assert (text.encode() != content) == (copy / name in changed)
    assert {copy / "_config.yml", copy / "sample.md", copy / "chapters/sample.ipynb"} <= set(changed)
    sample = (copy / "sample.md").read_bytes().decode()
    assert f"[code]({OTHER}), [{OTHER}.git]({OTHER}/issues), see {OTHER}.\r\n" in sample
    assert "colab.research.google.com/github/Some-One/a.book/blob/main/x.ipynb" in sample
    assert "https://some-one.github.io/a.book/" in sample
    assert f"not {old[0]}-2, {old[0]}.x, http://{old[1]}2" in sample  # other addresses that begin alike
    assert (copy / "chapters/sample.ipynb").read_text().count(OTHER) == 1


def test_twice_is_once_and_back_gives_the_same_bytes(copy):
    before, old = contents(copy), address.current(copy)
    address.set_address(copy, OTHER + "/")
    once = contents(copy)
    assert address.set_address(copy, OTHER + ".git") == {} and contents(copy) == once != before
    address.set_address(copy, old)
    assert contents(copy) == before


def test_a_chapter_from_another_copy_follows(copy):
    notebook = copy / "chapters/sample.ipynb"
    notebook.write_text(notebook.read_text().replace(address.current(copy), "https://example.org/x/y"))
    address.set_address(copy, address.current(copy))
    assert f'git+{address.current(copy)}\\"' in notebook.read_text()


@pytest.mark.parametrize(
    "wrong",
    ["", "owner/name", "github.com/owner/name", "https://github.com/owner", "https://example.org/owner/name"]
    + ["https://github.com/-owner/name", "https://github.com/own er/name", "https://github.com/owner/name/tree/main"],
)
def test_a_wrong_address_is_one_clear_error_and_changes_nothing(wrong, copy):
    before = contents(copy)
    told = address.main([wrong], copy)
    assert "https://github.com/owner/name" in told and "\n" not in told and contents(copy) == before


def test_what_it_prints(copy, capsys):
    assert address.main([OTHER], copy) is None
    said = capsys.readouterr().out
    assert "  _config.yml: 1\n" in said and said.endswith(" files changed).\n") and OTHER in said
    assert f"the address is {OTHER}" in address.main([], copy)


def test_a_configuration_without_an_address(tmp_path):
    (tmp_path / "_config.yml").write_text("title: x\nurl: y\n")
    assert "no `url:` below `repository:`" in address.main([OTHER], tmp_path)
