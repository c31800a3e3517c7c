"""`graphnet check`: JSON and GitHub formats, terminal output, --strict and --watch; and `graphnet explain`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphnet
from graphnet.cli.common.fault_formats import as_github
from graphnet.cli.common.watch import watch
from graphnet.error_codes import codes
from graphnet.errors import Fault
from tests.conftest import ROOT
from tests.end_to_end.test_cli import HANGS, PROGRAM, QUICKSTART, WRONG, interruptible, run
from tests.small import small


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    path = tmp_path / "warned.json"
    path.write_text(json.dumps(small({"h1": {"h1": "I", "h2": "C"}}, {"t": 9, "h1": {"h1": "C"}})))
    return path


def test_as_json() -> None:
    done = run("check", "many.toml", QUICKSTART, "--format", "json", cwd=WRONG)
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    with pytest.raises(graphnet.SpecError) as caught:
        graphnet.plan(WRONG / "many.toml")
    assert [(each["line"], each["column"], each["code"]) for each in found] == [
        (fault.line, fault.column, fault.code) for fault in caught.value.faults
    ]
    assert found[6] == {
        "code": "GN102",
        "severity": "error",
        "file": "many.toml",
        "line": 16,
        "column": 35,
        "end_column": 37,
        "path": "transitions[0].V1.V3",
        "what": "no state is called 'V3'",
        "fix": "did you mean 'V9'? known: V1, V2, class, V9",
        "note": "",
    }
    fine = run("check", QUICKSTART, "--format", "json")
    assert (fine.returncode, fine.stdout, fine.stderr) == (0, "[]\n", "")


def test_as_annotations_for_github(tmp_path: Path) -> None:
    done = run("check", "unknown-state.toml", "two-sets.toml", QUICKSTART, "--format", "github", cwd=WRONG)
    assert (done.returncode, done.stderr) == (1, "")
    first, second = done.stdout.splitlines()
    assert first == (
        "::error file=unknown-state.toml,line=12,col=38,endColumn=40,title=GN102::"
        "transitions[0].V1.V4: no state is called 'V4'%0Adid you mean 'V2'? known: V1, V2"
    )
    assert second.startswith("::error file=two-sets.toml,line=26,col=12,endColumn=25,title=GN403::")
    assert run("check", QUICKSTART, "--format", "github").stdout == ""
    (tmp_path / "a,b:c%d.toml").write_text("graphnet = ?")
    escaped = run("check", "a,b:c%d.toml", "--format", "github", cwd=tmp_path)
    assert escaped.stdout.startswith("::error file=a%2Cb%3Ac%25d.toml,line=1,col=12,endColumn=13,title=GN003::")


def test_nothing_ends_an_annotation_early() -> None:
    fault = Fault(("a",), "100% of it::\n::error::\r", file="--set x", severity="warning", code="GN010")
    assert as_github([fault]) == "::warning file=--set x,title=GN010::a: 100%25 of it::%0A::error::\\r\n"


def test_a_wrong_format_is_wrong_usage() -> None:
    assert run("check", QUICKSTART, "--format", "xml").returncode == 2


def test_strict_turns_warnings_into_errors(warned: Path) -> None:
    assert run("check", warned).returncode == 0
    done = run("check", warned, "--strict")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[GN501]: transitions[1].h1.h1" in done.stderr
    assert "\n1 error; more on it: graphnet explain GN501\n" in done.stderr
    (found,) = json.loads(run("check", warned, "--strict", "--format", "json").stdout)
    assert (found["code"], found["severity"]) == ("GN501", "error")
    assert run("check", QUICKSTART, "--strict").returncode == 0


def test_standard_input_has_its_line_shown() -> None:
    done = run("check", "-", stdin="graphnet = ?\n")
    assert done.stderr.startswith("<stdin>:1:12: error[GN003]: spec\n  | graphnet = ?\n  |            ^\n")
    assert run("check", "-", stdin='{\n\t"graphnet": ?}').stderr.startswith(
        '<stdin>:2:14: error[GN003]: spec\n  |     "graphnet": ?}\n  |                 ^\n'
    )


def test_a_fault_of_a_common_base_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text((WRONG / "size.toml").read_text())
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f'extends = "base.toml"\nname = "{name}"\nciet = 1\n')
    done = run("check", "a.toml", "b.toml", "a.toml", cwd=tmp_path)
    places = re.findall(r"^(\S+:) error", done.stderr, re.M)
    assert places == ["a.toml:3:1:", "base.toml:13:44:", "b.toml:3:1:"]
    assert done.stderr.count("a.toml extends this file") == 1
    assert "\n3 errors; " in done.stderr


def on_terminal(*arguments: str | Path, **env: str) -> str:
    """The output of a command on a terminal."""
    leader, follower = os.openpty()
    unset = ("NO_COLOR", "FORCE_COLOR")
    clean = {name: value for name, value in os.environ.items() if name not in unset} | {"TERM": "xterm"} | env
    with subprocess.Popen(
        [str(PROGRAM), *map(str, arguments)], cwd=WRONG, env=clean, stdout=follower, stderr=follower, stdin=follower
    ):
        os.close(follower)
        text = b""
        while True:
            try:
                text += (chunk := os.read(leader, 4096))
            except OSError:  # Linux's error when the other end is closed
                break
            if not chunk:
                break
    os.close(leader)
    return text.decode().replace("\r\n", "\n")


def test_colours_on_a_terminal_only_and_never_with_no_color() -> None:
    coloured = on_terminal("check", "unknown-state.toml")
    assert "\x1b[1;31merror[GN102]\x1b[0m: transitions[0].V1.V4\n" in coloured
    assert "\x1b[1;31m                                     ^^\x1b[0m\n" in coloured.replace(" " * 38, " " * 37)
    plain = run("check", "unknown-state.toml", cwd=WRONG, NO_COLOR="").stderr
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    assert on_terminal("check", "unknown-state.toml", NO_COLOR="1") == plain
    assert on_terminal("check", "unknown-state.toml", TERM="dumb") == plain
    assert "\x1b[" in on_terminal("plan", "unknown-state.toml")
    assert "\x1b[" not in on_terminal("check", "unknown-state.toml", "--format", "github")


BUG = """
import graphnet.cli.common.checked as checked
import graphnet.cli.nets.view as view

def broken(spec, compile_plan=checked.plan, **options):
    if spec.name == "bug":
        raise RuntimeError("injected")
    return compile_plan(spec, **options)

checked.plan = view.plan_of = broken
"""
"""A module for --plugin that adds a bug to the compiler, triggered by specs of that name."""


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A check that watches top.toml, which extends base.toml, and its output."""
    (tmp_path / "base.toml").write_text(QUICKSTART.read_text())
    (tmp_path / "top.toml").write_text('extends = "base.toml"\n')
    (tmp_path / "bug.py").write_text(BUG)
    output = tmp_path / "output"
    with (
        output.open("w") as file,
        subprocess.Popen(
            [str(PROGRAM), "check", "top.toml", "--watch", "--plugin", "bug"],
            cwd=tmp_path,
            stdout=file,
            stderr=file,
            text=True,
            preexec_fn=interruptible,
        ) as process,
    ):
        yield process, output
        process.kill()


def wait_for(output: Path, rounds: int) -> str:
    """Wait for that many rounds, and return the output so far."""
    end = time.monotonic() + HANGS
    while (text := output.read_text()).count("Ctrl-C ends") < rounds:
        assert time.monotonic() < end, text
        time.sleep(0.05)
    return text


def test_watch_checks_again_when_a_file_is_saved(watching: tuple[subprocess.Popen[str], Path]) -> None:
    process, output = watching
    folder = output.parent
    first = wait_for(output, 1)
    assert first.startswith("top.toml: fine: 3 states")
    assert re.search(r"^---- \d\d:\d\d:\d\d, watching top\.toml, base\.toml; Ctrl-C ends ----$", first, re.M)
    (folder / "base.toml").write_text(QUICKSTART.read_text().replace("[readout]", "[redout]"))
    second = wait_for(output, 2).removeprefix(first)
    assert "error[GN008]: redout" in second
    (folder / "base.toml").unlink()
    assert "there is no such file" in wait_for(output, 3)
    (folder / "base.toml").write_text(QUICKSTART.read_text())
    assert wait_for(output, 4).count("top.toml: fine: 3 states") == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=HANGS) == 0
    assert "Traceback" not in output.read_text()


def test_a_bug_of_the_compiler_does_not_end_watching(watching: tuple[subprocess.Popen[str], Path]) -> None:
    process, output = watching
    wait_for(output, 1)
    (output.parent / "top.toml").write_text('extends = "base.toml"\nname = "bug"\n')
    said = wait_for(output, 2)
    assert "Traceback (most recent call last)" in said, "which we need"
    assert "graphnet has a bug: RuntimeError: injected\n  please tell us: send the spec" in said
    (output.parent / "top.toml").write_text('extends = "base.toml"\n')
    assert wait_for(output, 3).count("top.toml: fine: 3 states") == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=HANGS) == 0


def test_watching_survives_any_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.toml"
    path.write_text("")
    ends: list[BaseException] = [RuntimeError("injected"), KeyboardInterrupt()]

    def act() -> None:
        path.write_text(path.read_text() + "#")
        raise ends.pop(0)

    watch([str(path)], act)
    assert not ends
    assert "graphnet has a bug: RuntimeError: injected\n  please tell us" in capsys.readouterr().err


def test_a_bug_of_the_compiler_does_not_stop_the_check_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "bug.py").write_text(BUG)
    for name in ("bug", "fine"):
        (tmp_path / f"{name}.json").write_text(json.dumps(small(name=name)))
    command = [str(PROGRAM), "check", "bug.json", "fine.json", "--plugin", "bug"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 1
    assert done.stdout.startswith("fine.json: fine: 2 states")
    assert "bug.json: error: spec\n  graphnet has a bug: RuntimeError: injected\n  please tell us" in done.stderr


def test_every_command_asks_for_a_report_of_a_bug(tmp_path: Path) -> None:
    (tmp_path / "bug.py").write_text("import graphnet.cli.common.report as it\nit.load = None\n")
    (tmp_path / "net.json").write_text(json.dumps(small()))
    command = [str(PROGRAM), "plan", "net.json", "--plugin", "bug"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "graphnet has a bug: TypeError: 'NoneType' object is not callable\n  please tell us" in done.stderr


def test_standard_input_cannot_be_watched() -> None:
    done = run("check", "-", "--watch")
    assert done.returncode == 2
    assert "standard input cannot be watched" in done.stderr


def test_explain_shows_the_compilers_messages() -> None:
    done = run("explain", "gn102")
    assert (done.returncode, done.stderr) == (0, "")
    code = codes()["GN102"]
    assert done.stdout.startswith(f"GN102: {code.title}\n\n  A row or a column")
    parts = [done.stdout.index(part) for part in ("\nWrong:", "\nThe report:", "\nRight:", "base.toml is")]
    assert parts == sorted(parts)
    assert "  wrong.toml:4:8: error[GN102]: transitions[1].V2.V3\n    | V2 = { V3" in done.stdout
    assert run("explain", "102").stdout == done.stdout


@pytest.mark.parametrize("code", ["GN001", "GN015", "GN501", "GN601"])
def test_explain_of_commands_warnings_and_long_texts(code: str) -> None:
    done = run("explain", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"[{code}]: " in done.stdout
    assert len(done.stdout) < 4000


def test_explain_lists_exactly_the_known_codes() -> None:
    listed = run("explain").stdout
    assert re.findall(r"^  (GN\d{3})  \S", listed, re.M) == list(codes())
    unknown = run("explain", "GN112x")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "error: no code is called 'GN112x'\n  did you mean 'GN112'?\n"


def test_every_code_of_a_golden_error_is_explained() -> None:
    found = {code for path in WRONG.glob("*.txt") for code in re.findall(r"\[(GN\d+)\]", path.read_text())}
    assert found
    assert found <= set(codes())
    assert ROOT.is_dir()


def test_recipes_are_checked(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('graphnet-recipe = 1\n[train]\nrecipe = "lp-cifar"\nepochs = 90\n')
    (tmp_path / "wrong.toml").write_text("graphnet-recipe = 1\n[train]\nlr = 0\n")
    (tmp_path / "spec.json").write_text(json.dumps(small(train={"recipe": "own.tom"})))
    done = run("check", "own.toml", "wrong.toml", "spec.json", "digits", QUICKSTART, cwd=tmp_path)
    assert done.returncode == 1
    fine = done.stdout.splitlines()
    assert fine[0] == "own.toml: fine: sgd, 90 epochs of cifar10, batches of 64, lr 0.01"
    assert fine[1] == "digits: fine: sgd, 20 epochs of digits, batches of 64, lr 0.05"
    assert "quickstart" in fine[2]
    assert "wrong.toml:3:6: error[GN012]: train.lr" in done.stderr
    assert re.search(r"spec.json:1:\d+: error\[GN706\]: train.recipe", done.stderr)
    done = run("check", "--set", "train.epochs=1000", "--set", "train.lr=0.1", "digits")
    assert (done.returncode, done.stdout) == (
        0,
        "digits: fine: sgd, 1,000 epochs of digits, batches of 64, lr 0.1\n",
    )


def test_experiments_are_checked(tmp_path: Path) -> None:
    text = (
        'graphnet-experiment = 1\nspec = "quickstart"\nseeds = "0..2"\n[smoke]\nseeds = 5\n[vary.a]\nb = {}\nc = {}\n'
    )
    (tmp_path / "own.toml").write_text(text)
    (tmp_path / "wrong.toml").write_text(text.replace("[vary.a]", "[varied.a]"))
    done = run("check", "own.toml", "wrong.toml", cwd=tmp_path)
    assert done.returncode == 1
    line = "fine: 2 conditions, 3 seeds, or 2 conditions, 1 seed with --smoke; 0 claims\n"
    assert done.stdout == f"own.toml: {line}"
    assert "wrong.toml:6:2: error[GN008]: varied" in done.stderr
    assert run("check", "-", stdin=text).stdout == f"-: {line}"
    done = run("check", "--set", "seeds=3", "own.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--set changes no experiment" in done.stderr
    done = run("plan", "own.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert "this is an experiment, not a spec" in done.stderr


def test_a_recipe_from_standard_input_and_in_place_of_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("graphnet-recipe = 1\n[train]\nsteps = 5\n")
    done = run("check", "-", stdin=path.read_text())
    assert (done.returncode, done.stdout) == (0, "-: fine: sgd, 5 steps of digits, batches of 64, lr 0.05\n")
    for command in (["plan"], ["code"], ["diff", QUICKSTART]):
        done = run(*command, path)
        assert done.returncode == 1
        assert "this is a training recipe, not a spec" in done.stderr
        assert "Traceback" not in done.stderr
