"""The table of extensions and the table of flags; everything else stands in pyproject.toml."""

import os
import platform
import subprocess
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

X86 = platform.machine().lower() in ("x86_64", "amd64")
BASELINE = ["-march=x86-64-v2"] if X86 else []
# The wheel stays below 3 MB: what -O3 makes is larger by a third, and faster for tiny networks on AVX2 only.
SMALL = ["-O2", "-ftree-vectorize"]
VECTORS = ["-fvect-cost-model=dynamic"]  # as -O3 has it
LEVELS = (
    {
        "v2": ["-march=x86-64-v2", *SMALL],
        "v3": ["-march=x86-64-v3", *VECTORS],
        "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512", *SMALL, *VECTORS],
    }
    if X86
    else {"generic": []}
)
REALS = {"float32": [], "float64": ["-DFASTNN_DOUBLE", *SMALL]}
# Contraction to FMA is part of the design (docs/decisions/floating-point.md); -ffast-math is banned.
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fvisibility=hidden",
    "-g0",
    "-fno-asynchronous-unwind-tables",  # no exception of C++ passes through
]
# FASTNN_BUILD chooses another mode, with a folder of its own: "debug" checks the bounds of every index; so do
# "sanitize", with the address and undefined-behaviour sanitizers, and "thread", with the thread sanitizer. Python's own
# flags have -fwrapv, which defines what the overflow of an integer does, and so hides it.
BUILD = os.environ.get("FASTNN_BUILD", "")
SANITIZERS = {
    "": [],
    "debug": [],
    "sanitize": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-wrapv", "-g"],
    "thread": ["-O1", "-fsanitize=thread", "-g"],
}[BUILD]
STRIPPED = ["-Wl,--strip-all"] if platform.system() == "Linux" and not BUILD else []
FOLDER = "-".join(filter(None, ["build", BUILD]))
GENERATED = Path(FOLDER) / "variants"


def extension(name: str, source: Path, flags: list[str]) -> Extension:
    return Extension(
        f"fastnn._core.{name}",
        [str(source)],
        include_dirs=["kernels", "fastnn/include", numpy.get_include()],
        depends=[str(path) for path in Path("kernels").rglob("*.*")],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=FLAGS + flags + SANITIZERS,
        extra_link_args=["-pthread", *STRIPPED, *SANITIZERS],
    )


def variant(level: str, real: str) -> Extension:
    """The engine's one source, compiled under the name of a level and a number type."""
    source = GENERATED / f"{level}_{real}.pyx"
    text = '# cython: language_level=3\ninclude "engine.pyx"\n'
    source.parent.mkdir(parents=True, exist_ok=True)
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    return extension(source.stem, source, LEVELS[level] + REALS[real])


class BuildExt(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        version = subprocess.run([*self.compiler.compiler_so[:1], "--version"], capture_output=True, text=True)
        if "clang" in version.stdout:  # refuses what it does not know
            for one in self.extensions:
                one.extra_compile_args = [flag for flag in one.extra_compile_args if flag not in VECTORS]
        super().build_extensions()


setup(
    ext_modules=cythonize(
        [
            extension("machine", Path("kernels/machine.pyx"), [*BASELINE, *SMALL, "-DFASTNN_POOL"]),
            *(variant(level, real) for level in LEVELS for real in REALS),
        ],
        include_path=["kernels"],
        build_dir=FOLDER,
        nthreads=0,
        compiler_directives={
            "language_level": 3,
            "boundscheck": bool(BUILD),
            "wraparound": False,
            "initializedcheck": bool(BUILD),
            "cdivision": True,
        },
    ),
    cmdclass={"build_ext": BuildExt},
    options={"build": {"build_base": FOLDER}},
)
