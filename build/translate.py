"""Print a template as CloudFormation gets it, as JSON: `python -m build.translate template.yaml`.

The addresses of code in it are of objects that do not exist: it is for linting, not for AWS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mayfly_cli.templates.translation import translate

if __name__ == "__main__":
    json.dump(translate(Path(sys.argv[1]), "eu-west-1").template, sys.stdout, indent=1)
