"""Runs the chapters: those whose code, or the package under it, has changed, two at a time, into the build's cache."""

import hashlib
import os
import re
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[2]
PAGE_ONLY = "book"  # changes to this folder of the package change no output of a chapter


def package_fingerprint(root: Path = ROOT) -> str:
    """Hash of all that a chapter's outputs may depend on besides its own code: the package and the pinned versions."""
    package = root / "dlbook_utils"
    files = sorted(p for p in package.rglob("*.py") if p.relative_to(package).parts[0] != PAGE_ONLY)
    digest = hashlib.sha256()
    for path in [*files, root / "requirements.txt"]:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cache_folder(root: Path = ROOT) -> Path:
    """Where executed chapters are kept: a new place for every state of the package."""
    return root / "_build" / ".jupyter_cache" / package_fingerprint(root)


def chapter_paths(root: Path = ROOT) -> list[Path]:
    """The notebooks of the table of contents, in its order."""
    listed = re.findall(r"^\s*-?\s*file:\s*(\S+)", (root / "_toc.yml").read_text(), flags=re.M)
    return [path for name in listed if (path := (root / name).with_suffix(".ipynb")).exists()]


def run_chapters(root: Path = ROOT, workers: int = 2) -> None:
    """Execute the chapters that the cache does not hold, `workers` at a time, with a progress bar.

    Raises:
        SystemExit: if a chapter fails; its name and its traceback are printed.
    """
    from jupyter_cache import get_cache
    from tqdm import tqdm

    cache = get_cache(cache_folder(root))
    due = [path for path in chapter_paths(root) if not _is_cached(cache, path)]
    fresh = len(chapter_paths(root)) - len(due)
    if not due:
        print(f"Chapters: all {fresh} are up to date, nothing to run.")
        return
    # two chapters share the cores: without this each would start a thread a core
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 2) // workers))
    os.environ["DLBOOK_EXPLORE"] = "static"
    print(f"Chapters: running {len(due)}, {fresh} are up to date.", flush=True)
    failures = []
    with ProcessPoolExecutor(workers) as pool, tqdm(total=len(due), unit="chapter", disable=None) as bar:
        jobs = {pool.submit(_execute, path): path for path in due}
        for job in as_completed(jobs):
            path, (notebook, seconds, error) = jobs[job], job.result()
            if error:
                failures.append((path, error))
            else:
                _store(cache, path, notebook, seconds)
            bar.write(f"  {path.relative_to(root)}: {'FAILED' if error else 'ran'} in {seconds:.1f} s")
            bar.update()
    for path, error in failures:
        print(f"\n{path.relative_to(root)} failed:\n{error}")
    if failures:
        raise SystemExit(f"{len(failures)} of {len(due)} chapters failed.")


def _is_cached(cache: Any, path: Path) -> bool:
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def _execute(path: Path) -> tuple[nbformat.NotebookNode, float, str | None]:
    """Run one chapter in its own folder; runs in a worker process."""
    from jupyter_cache.executors.utils import single_nb_execution

    notebook = nbformat.read(path, as_version=4)
    quiet = {"extra_arguments": ["--log-level=ERROR"]}
    result = single_nb_execution(notebook, cwd=str(path.parent), timeout=120, allow_errors=False, **quiet)
    return notebook, result.time, result.exc_string


def _store(cache: Any, path: Path, notebook: nbformat.NotebookNode, seconds: float) -> None:
    from jupyter_cache.base import CacheBundleIn

    bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
