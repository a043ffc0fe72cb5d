"""What the tests of customer-360 say of quality checks."""
import json
import re

import millrace as m


def in_batches(progress):
    """Rows and violations of each check, from lines of `--progress json`."""
    found = {}
    for line in progress.splitlines():
        for of, checks in json.loads(line)["checks"].items():
            for name, check in checks.items():
                rows, violations = found.get(f"{of}.{name}", (0, 0))
                found[f"{of}.{name}"] = (rows + check["rows"], violations + check["violations"])
    return found


def in_all(file, folder):
    """The same, from `millrace state`."""
    checks = json.loads(m.run("state", file, "--json", cwd=folder).stdout)["checks"]
    return {f"{of}.{name}": (check["rows"], check["violations"]) for of, all_of in checks.items() for name, check in all_of.items()}


def violations(progress):
    return {name: violations for name, (_, violations) in in_batches(progress).items()}


def declared(path):
    """The checks of a pipeline file, as their text, however it is laid out."""
    block = re.search(r"^checks:.*?(?=^\S)", path.read_text(), re.MULTILINE | re.DOTALL)[0]
    found, of = set(), None
    for entry in re.split(r"\n(?=  \S|    - )", re.sub(r"\s+#.*", "", block))[1:]:
        if entry.startswith("    - "):
            text = re.sub(r"\s*\n\s*", ", ", entry[len("    - "):].strip())
            found.add((of, text.removeprefix("{ ").removesuffix(" }")))
        else:
            of = entry.strip().removesuffix(":")
    return found
