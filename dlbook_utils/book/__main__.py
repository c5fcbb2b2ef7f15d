"""`python -m dlbook_utils.book`: run the chapters that are not up to date."""

from .run import ROOT, run_chapters

if __name__ == "__main__":
    if not (ROOT / "_toc.yml").exists():
        raise SystemExit(f"{ROOT} holds no _toc.yml: run this from a checkout of the book.")
    run_chapters()
