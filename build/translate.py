"""Prints a template as CloudFormation receives it, in JSON: `python -m build.translate FILE`.

The output is for linting only: the code's addresses in it name objects that do not exist.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mayfly_cli.templates.translation import translate

if __name__ == "__main__":
    json.dump(translate(Path(sys.argv[1]), "eu-west-1").template, sys.stdout, indent=1)
