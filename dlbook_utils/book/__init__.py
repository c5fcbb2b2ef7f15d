"""The Sphinx extension: runs the chapters, sets pictures, widgets and formulas, draws the map, lightens the page."""

import hashlib
import os
from pathlib import Path
from typing import Any

from . import formulas, map, page, pictures
from .run import ROOT, cache_folder, package_fingerprint


def _use_package_state(app: Any, config: Any) -> None:
    """Make chapters outdated when the package has changed, and pages when what draws them has."""
    config.nb_execution_cache_path = str(cache_folder(Path(app.srcdir)))
    config.dlbook_fingerprint = package_fingerprint(Path(app.srcdir))
    sources = sorted([*Path(__file__).parent.glob("*.py"), *(ROOT / "theme").rglob("*.html")])
    config.dlbook_page_state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's entry point."""
    os.environ["DLBOOK_EXPLORE"] = "static"  # inherited by the kernels that the build starts
    app.add_config_value("dlbook_fingerprint", "", "env")  # a change makes Sphinx read every page anew
    app.add_config_value("dlbook_page_state", "", "html")  # a change makes it write every page anew
    app.connect("config-inited", _use_package_state, priority=1)
    for part in (formulas, map, page, pictures):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
