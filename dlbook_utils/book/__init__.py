"""The Sphinx extension: runs the chapters, sets pictures, widgets and formulas, draws the map, lightens the page."""

import os
from pathlib import Path
from typing import Any

from . import formulas, map, page, pictures
from .pictures import PictureRenderer
from .run import cache_folder, package_fingerprint

__all__ = ["PictureRenderer", "setup"]


def _use_package_state(app: Any, config: Any) -> None:
    """A change in the package makes every chapter outdated, for Sphinx and for the cache of outputs."""
    config.nb_execution_cache_path = str(cache_folder(Path(app.srcdir)))
    config.dlbook_fingerprint = package_fingerprint(Path(app.srcdir))


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's entry point."""
    os.environ["DLBOOK_EXPLORE"] = "static"  # inherited by the kernels that the build starts
    app.add_config_value("dlbook_fingerprint", "", "env")
    app.connect("config-inited", _use_package_state, priority=1)
    for part in (formulas, map, page, pictures):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
