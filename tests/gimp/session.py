"""Runs one script in one real gimp-console session with a private profile and judges it.

usage: session.py PLUGIN_FOLDER SCRIPT --gimp-library DIR [--model DIR] [--display]
                  [--gimp PROGRAM]

PLUGIN_FOLDER is the built plug-in (build/plugin/sdedit), --gimp-library what pkg-config
calls gimplibdir. --gimp names a GIMP with windows when --display is given. Without --model the plug-in's model is a tiny random one. SCRIPT is a .py (python-fu) or
.scm (Script-Fu) file beside this one; it writes one line per case, `ok NAME` or
`failed NAME: why`, and `done` at the end, to the file named by SDEDIT_REPORT. Exit code
77: no gimp-console here. SPDX-License-Identifier: GPL-3.0-or-later
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import tiny_model

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT_S = 840
# What GIMP itself may print; anything else that names the plug-in fails the session.
# The few plug-ins of GIMP's own that the cases need: asking all of them what they offer
# takes a new profile ten seconds.
NEEDED = ("script-fu", "python-eval", "file-png")
OUR_NOISE = re.compile(r"sdedit.*(CRITICAL|WARNING|crash)|gimp-sdedit", re.I)
HARMLESS = re.compile(r"Broken pipe|g_object_unref")


def make_plugin_folder(root, gimp_library):
    """A folder with links to the plug-ins of GIMP itself that we need."""
    folder = root / "few"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(gimp_library / "plug-ins" / name)
    return folder


def make_profile(root, arguments, model):
    """A profile whose sdedit plug-in has `model` as its default; returns the environment."""
    few = make_plugin_folder(root, arguments.gimp_library)
    plugin_folder = arguments.plugin_folder.resolve()
    plugin = root / "profile/plug-ins/sdedit"
    (plugin / "models").mkdir(parents=True)
    for name in ("sdedit", "locale"):
        (plugin / name).symlink_to(plugin_folder / name)
    (plugin / "models/default").symlink_to(model)
    (root / "profile/sdedit-models").mkdir()
    (root / "profile/sdedit-models/mine").symlink_to(model)
    environment = dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="", NO_AT_BRIDGE="1")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(name, None)
    for variable, name in {
        "HOME": "home",
        "XDG_CONFIG_HOME": "config",
        "XDG_CACHE_HOME": "cache",
        "XDG_DATA_HOME": "data",
        "XDG_RUNTIME_DIR": "runtime",
        "GIMP3_DIRECTORY": "profile",
        "GIMP3_TEMPDIR": "temp",
        "GIMP3_CACHEDIR": "gimp-cache",
        "SDEDIT_WORK": "work",
    }.items():
        (root / name).mkdir(exist_ok=True, mode=0o700)
        environment[variable] = str(root / name)
    environment["GIMP_TESTING_PLUGINDIRS"] = f"{few}:{plugin.parent}"
    environment["SDEDIT_REPORT"] = str(root / "report")
    return environment


def batch_arguments(script, report):
    if script.suffix == ".scm":
        code = f'(define sdedit-report "{report}") (load "{script}")'
        return ["plug-in-script-fu-eval", code]
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); exec(open({str(script)!r}).read())"
    return ["python-fu-eval", code]


def run_gimp(gimp, script, environment):
    interpreter, code = batch_arguments(script, environment["SDEDIT_REPORT"])
    command = [gimp, "-s", "--quit"]
    if "DISPLAY" not in environment:
        command += ["-i", "-d"]
    command += [f"--batch-interpreter={interpreter}", "-b", code]
    gimp = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = gimp.communicate(timeout=TIMEOUT_S)
        return gimp.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(gimp.pid, signal.SIGKILL)
        output, _ = gimp.communicate()
        return gimp.returncode, output + f"\nstopped after {TIMEOUT_S} s"


@contextlib.contextmanager
def virtual_display(environment):
    """Xvfb on a free display number, for as long as the context lasts."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-screen", "0", "1280x900x24", "-displayfd", str(writing)]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            environment["DISPLAY"] = ":" + pipe.readline().strip()
        yield
    finally:
        server.terminate()
        server.wait()


def judge(report, code, output):
    """The reasons why the session failed; none when all is well."""
    lines = report.read_text().splitlines() if report.exists() else []
    reasons = [line for line in lines if line.startswith("failed ")]
    if code != 0:
        reasons.append(f"GIMP ended with code {code}")
    if not lines or lines[-1] != "done":
        reasons.append("the script did not come to its end")
    if not any(line.startswith("ok ") for line in lines):
        reasons.append("no case ran")
    for line in output.replace(str(HERE), "").splitlines():  # our name may be in it
        if OUR_NOISE.search(line) and not HARMLESS.search(line):
            reasons.append(f"GIMP printed: {line}")
    n_ok = sum(line.startswith("ok ") for line in lines)
    return n_ok, reasons


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("plugin_folder", type=pathlib.Path)
    parser.add_argument("script")
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--display", action="store_true", help="run in an Xvfb of its own")
    parser.add_argument("--gimp", default="gimp-console")
    parser.add_argument("--gimp-library", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    needed = [arguments.gimp] + (["Xvfb", "xdotool", "import"] if arguments.display else [])
    for program in needed:
        if not shutil.which(program):
            print(f"skipped: there is no {program} on this machine")
            return 77
    if arguments.model and not (arguments.model / "model_index.json").exists():
        print(f"skipped: there is no model in {arguments.model}")
        return 77
    with tempfile.TemporaryDirectory(prefix="sdedit-gimp-") as folder:
        root = pathlib.Path(folder)
        model = arguments.model
        if not model:
            model = root / "tiny"
            tiny_model.write(model)
        environment = make_profile(root, arguments, model.resolve())
        display = contextlib.nullcontext()
        if arguments.display:
            display = virtual_display(environment)
        with display:
            code, output = run_gimp(arguments.gimp, HERE / arguments.script, environment)
        n_ok, reasons = judge(root / "report", code, output)
    print(f"{n_ok} cases passed")
    if reasons:
        print("\n".join(reasons), "--- what GIMP printed:", output, sep="\n")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
