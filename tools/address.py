"""Set the repository's address everywhere: ``make address URL=https://github.com/owner/name``.

The address stands once, in `_config.yml`. What repeats it follows from it: the line in each notebook's set-up cell
that fetches the library, and the links to the repository, to Colab and to the published pages. Files are edited as
bytes, so nothing but the address changes; a second run changes nothing, and the old address gives the old bytes back.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Nobody's repository, and yet of GitHub's form, so that the pages get their buttons: GitHub's names hold no dot. (Two
# hyphens in a row would not do: they are forbidden today, but some old accounts have them.)
PLACEHOLDER = "https://github.com/your.name/deep-learning-from-scratch-to-gpu"

FILES = ("_config.yml", "pyproject.toml", "*.md", "chapters/**/*.md", "chapters/**/*.ipynb", "assignments/**/*.ipynb")
IN_CONFIG = re.compile(r"(?m)^(repository:\n(?:[ \t]+.*\n)*?[ \t]+url:[ \t]*)(\S+)")
END = r"(?![\w-])(?!\.(?!git\b)\w)"  # "owner/name", "owner/name." and "owner/name.git", but not "owner/name-2"


def links(url: str) -> tuple[str, str, str]:
    """The forms in which an address occurs: the repository, its notebooks in Colab, its published pages."""
    owner, name = url.split("/")[-2:]
    return url, f"colab.research.google.com/github/{owner}/{name}", f"https://{owner.lower()}.github.io/{name}"


def checked(url: str) -> str:
    """The address without a slash or `.git` at its end. Raises ValueError if it is not one of GitHub's."""
    url = url.strip().removesuffix("/").removesuffix(".git")
    if url != PLACEHOLDER and not re.fullmatch(r"https://github\.com/[A-Za-z0-9][A-Za-z0-9-]{0,38}/[\w.-]{1,100}", url):
        raise ValueError(f"{url or 'nothing'!r} is not an address of the form https://github.com/owner/name")
    return url


def current(root: Path) -> str:
    """The address in `_config.yml`. Raises ValueError if there is none."""
    found = IN_CONFIG.search((root / "_config.yml").read_text(encoding="utf-8"))
    if not found:
        raise ValueError("_config.yml has no `url:` below `repository:`")
    return found[2]


def files(root: Path) -> list[Path]:
    """The files that may hold the address."""
    found = {path for pattern in FILES for path in root.glob(pattern) if ".ipynb_checkpoints" not in path.parts}
    return sorted(path for path in found if path.is_file())


def set_address(root: Path, url: str) -> dict[Path, int]:
    """Set the address below `root`. Returns, for each changed file, how many times it stands there."""
    old, new = links(current(root)), links(checked(url))
    changed = {}
    for path in files(root):
        before = path.read_bytes().decode("utf-8")
        after = before
        for one, other in zip(old, new, strict=True):
            after = re.sub(re.escape(one) + END, lambda _, other=other: other, after)
        if (
            path.suffix == ".ipynb"
        ):  # whatever the set-up cell said: a chapter from another copy of the book follows too
            after = re.sub(r'(pip install [^"\n]*\\"git\+)[^"\\\n]+', lambda found: found[1] + new[0], after)
        if after != before:
            path.write_bytes(after.encode("utf-8"))
            changed[path] = sum(after.count(form) for form in new)
    return changed


def main(arguments: list[str], root: Path = Path(__file__).parents[1]) -> str | None:
    """Set the address given on the command line. Returns what went wrong, or None."""
    try:
        if len(arguments) != 1:
            raise ValueError(f"the address is {current(root)}")
        changed = set_address(root, arguments[0])
    except ValueError as error:
        return f"{error}; write: make address URL=https://github.com/owner/name"
    for path, count in changed.items():
        print(f"  {path.relative_to(root)}: {count}")
    print(f"The address is {current(root)} ({len(changed)} files changed).")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
