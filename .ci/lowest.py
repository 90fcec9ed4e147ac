"""Prints the lowest version of each requirement that pyproject.toml allows, with its repairs, as pip's constraints."""

import re
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    settings = tomllib.load(file)
extras = settings["project"]["optional-dependencies"]
requirements = [*settings["build-system"]["requires"], *settings["project"]["dependencies"]]
for extra in sys.argv[1:]:
    requirements += extras[extra]
for name, version in sorted({re.match(r"([\w-]+)>=([\d.]+)", one).groups() for one in requirements}):
    print(f"{name}~={'.'.join([*version.split('.'), '0', '0'][:3])}")
