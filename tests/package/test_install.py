"""The package installs by itself, moves nothing that is there, and importing it does nothing but define names."""

import importlib.util
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import dlbook_utils

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = [module.name for module in pkgutil.walk_packages(dlbook_utils.__path__, "dlbook_utils.")]
BUILD_ONLY = ROOT / "dlbook_utils" / "book"  # the Sphinx extension
COLAB = dict(
    line.split("==") for line in (Path(__file__).parent / "colab_versions.txt").read_text().splitlines() if "==" in line
)
COLAB["filelock"] = "3.12.0"  # PyTorch requires it; that was Colab's version in 2023, and it only rose


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: nothing is left in the repository."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ["pyproject.toml", PYPROJECT["project"]["readme"], "LICENSE"]:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "dlbook_utils", source / "dlbook_utils", ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", source, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out)
    (path,) = out.glob("*.whl")
    return path


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def requirements():
    return [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]


def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read(f"dlbook_utils-{dlbook_utils.__version__}.dist-info/entry_points.txt").decode()
    assert names == {str(path.relative_to(ROOT)) for path in (ROOT / "dlbook_utils").rglob("*.py")}
    for group, entries in PYPROJECT["project"].get("entry-points", {}).items():
        assert f"[{group}]" in entry_points
        for name, place in entries.items():
            assert f"{name} = {place}" in entry_points
            module, _, attribute = place.partition(":")
            assert module in MODULES and f"class {attribute}" in Path(ROOT, *module.split(".")).with_suffix(
                ".py"
            ).read_text(encoding="utf-8")


def test_requirements_are_lower_bounds_only():
    assert {requirement.name for requirement in requirements()} >= {"numpy", "torch", "ipywidgets", "matplotlib"}
    for requirement in requirements():
        assert [specifier.operator for specifier in requirement.specifier] == [">="], f"{requirement} pins or bounds"
        assert not requirement.url and not requirement.marker


def test_every_import_is_required():
    """What the library imports is among its requirements (Sphinx and its kin serve the book's build alone)."""
    belongs = {"sklearn": "scikit-learn", "PIL": "pillow"}
    belongs |= {"IPython": "ipywidgets", "matplotlib_inline": "ipywidgets"}  # which requires both
    belongs |= {"requests": "pooch", "urllib3": "pooch"}  # pooch requires requests, and that urllib3
    named = {requirement.name for requirement in requirements()}
    for path in set((ROOT / "dlbook_utils").rglob("*.py")) - set(BUILD_ONLY.rglob("*.py")):
        found = re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(encoding="utf-8"), flags=re.M)
        for name in set(found) - set(sys.stdlib_module_names) - {"dlbook_utils"}:
            assert belongs.get(name, name) in named, f"{path.name} imports {name}"


def test_colab_has_all_that_is_required():
    for requirement in requirements():
        assert Version(COLAB[requirement.name]) in requirement.specifier, requirement
    assert sys.version_info >= (3, 11) and PYPROJECT["project"]["requires-python"] == ">=3.11"


def environment(folder, versions):
    """An environment in which pip believes these versions to be installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    for name, version in versions.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "INSTALLER").write_text("pip\n")
    return next(path for path in [folder / "bin/python", folder / "Scripts/python.exe"] if path.exists())


def would_install(python, wheel, report):
    pip("--python", python, "install", "--dry-run", "--no-index", "--report", report, wheel)
    return [canonicalize_name(item["metadata"]["name"]) for item in json.loads(report.read_text())["install"]]


def test_installing_into_colab_moves_nothing(wheel, tmp_path):
    python = environment(tmp_path / "colab", COLAB)
    assert would_install(python, wheel, tmp_path / "report.json") == ["dlbook-utils"]


def test_installing_beside_the_pinned_versions_moves_nothing(wheel, tmp_path):
    here = {item.metadata["Name"]: item.version for item in metadata.distributions() if item.metadata["Name"]}
    here = {name: version for name, version in here.items() if canonicalize_name(name) != "dlbook-utils"}
    python = environment(tmp_path / "here", here)
    assert would_install(python, wheel, tmp_path / "report.json") == ["dlbook-utils"]


def test_the_check_above_would_notice(wheel, tmp_path):
    python = environment(tmp_path / "old", COLAB | {"numpy": "1.25.0"})
    with pytest.raises(AssertionError, match="numpy>=1.26"):
        would_install(python, wheel, tmp_path / "report.json")


# What other packages do when they are first imported is theirs: they come first, and then the state is written down.
QUIET = """
import contextlib, copy, importlib, os, pickle, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import numpy as np, torch, matplotlib, matplotlib.pyplot, ipywidgets, IPython.display
    for name in ("sphinx.application", "myst_nb", "docutils.nodes", "sklearn"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
np.random.seed(1)
torch.manual_seed(1)

def state():
    return pickle.dumps([np.random.get_state(), torch.get_rng_state().numpy(), torch.get_default_dtype(),
                         torch.get_num_threads(), dict(matplotlib.rcParams), matplotlib.get_backend(),
                         [str(item) for item in warnings.filters], dict(os.environ), sys.path, os.getcwd(),
                         np.get_printoptions(), np.geterr(), matplotlib.pyplot.get_fignums()])

deeds = []
def watch(event, arguments):
    if event == "open" and (set(arguments[1] or "r") & set("wax+")) or event in (
        "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename"):
        deeds.append((event, arguments))
sys.addaudithook(watch)
before = state()
for name in MODULES:
    importlib.import_module(name)
    assert not deeds, f"importing {name} did {deeds}"
    assert state() == before, f"importing {name} changed a setting or a random state"
"""


def test_importing_has_no_side_effects(tmp_path):
    there = [name for name in MODULES if not name.startswith("dlbook_utils.book") or importlib.util.find_spec("sphinx")]
    code = QUIET.replace("MODULES", repr(there))
    quiet = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path), "OMP_NUM_THREADS": "2"}
    quiet |= {"DLBOOK_DATA": str(tmp_path / "data"), "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=quiet, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "data").exists() and "dlbook_utils.data" in MODULES


def test_importing_the_data_module_is_quick():
    """It is in every set-up cell: what only some sets need is imported when they are loaded."""
    code = (
        "import sys, dlbook_utils.data; print({'pooch', 'requests', 'sklearn', 'filelock', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout == "set()\n", done.stdout + done.stderr
