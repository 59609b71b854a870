"""Markdown tables, and their place in a file: between two comments that name the task.

    <!-- scoreboard: denoise -->
    ... is replaced whole ...
    <!-- /scoreboard: denoise -->
"""

from pathlib import Path


def table(head, rows):
    """Lines of a markdown table; the cells are texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def best_in_bold(rows, values, better=max):
    """Mark the best cell of each column; `values` are the numbers, None for no part."""
    for column in range(len(rows[0])):
        numbers = [line[column] for line in values]
        candidates = [number for number in numbers if number is not None]
        if not candidates:
            continue
        best = better(candidates)
        for line, number in zip(rows, numbers):
            if number == best:
                line[column] = f"**{line[column]}**"


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def describe_settings(won):
    """Which setting won in which column, for the methods that have a choice."""
    lines = []
    for name in next(iter(won.values())):
        chosen = [by_method[name] for by_method in won.values()]
        if any(setting is not None for setting in chosen):
            lines.append(f"* {name}: " + "; ".join(map(say_setting, chosen)))
    if not lines:
        return ""
    return "\n\nSettings that won, column by column:\n\n" + "\n".join(lines)


def say_setting(setting):
    if isinstance(setting, tuple):
        return " ".join(map(str, setting))
    return str(setting)


def processor():
    """The name of the processor, as times mean nothing without it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "an unknown processor"


def markers(task):
    return f"<!-- scoreboard: {task} -->", f"<!-- /scoreboard: {task} -->"


def replace_section(file, task, text):
    """Put `text` between the task's markers of a markdown file."""
    whole = Path(file).read_text(encoding="utf-8")
    start, end = markers(task)
    if whole.count(start) != 1 or whole.count(end) != 1:
        raise SystemExit(f"{file}: expected the lines '{start}' and '{end}' once each")
    before, rest = whole.split(start)
    after = rest.split(end)[1]
    text = f"{before}{start}\n\n{text.strip()}\n\n{end}{after}"
    Path(file).write_text(text, encoding="utf-8")
