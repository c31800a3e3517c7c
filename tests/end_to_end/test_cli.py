"""The command line, run in separate processes."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.small import small

PROGRAM = Path(sys.prefix) / "bin" / "graphnet"
QUICKSTART = ROOT / "specs" / "quickstart.toml"
WRONG = ROOT / "tests" / "golden" / "errors"
HANGS = 300
"""Timeout in seconds, far above any duration on a loaded machine."""
TINY: dict[str, Any] = {
    "graphnet": 1,
    "name": "tiny",
    "input": {"shape": [1, 8, 8]},
    "states": {"V1": [4, 4, 4]},
    "transitions": [{"V1": {"V1": "BRC"}}],
    "pre_net": {"ops": "PC"},
    "post_net": {"ops": "GL", "classes": 10},
    "readout": {"t": 1},
}


def interruptible() -> None:
    """Let Ctrl-C interrupt a new process, even if the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*arguments: str | Path, stdin: str = "", cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run graphnet; it must never show a traceback."""
    done = subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "100"} | env,
        capture_output=True,
        encoding="utf-8",
        timeout=HANGS,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"graphnet {version('graphnet-compiler')}\n")


@pytest.mark.parametrize(
    "arguments",
    [["plam", "x.toml"], ["plan", "--jsn", "x.toml"], ["draw", "x.toml"], ["train", "x.toml", "--epochs", "many"]],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: graphnet" in done.stderr


def test_check_of_right_specs() -> None:
    specs = sorted((ROOT / "specs").glob("*.toml"))
    done = run("check", *specs)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == list(map(str, specs))
    assert f"{QUICKSTART}: fine: 3 states, 95,258 parameters, depth 7 at t = 4" in lines


def test_check_reports_all_faults_of_all_files() -> None:
    done = run("check", "unknown-state.toml", QUICKSTART, "many.toml", cwd=WRONG)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{QUICKSTART}: fine")
    expected = [(WRONG / f"{name}.txt").read_text(encoding="utf-8") for name in ("unknown-state", "many")]
    assert done.stderr == "\n".join([*expected, "13 errors; more on the first: graphnet explain GN102\n"])


def test_check_warns_without_failing(tmp_path: Path) -> None:
    path = tmp_path / "warned.json"
    path.write_text(json.dumps(small({"h1": {"h1": "I", "h2": "C"}}, {"t": 9, "h1": {"h1": "C"}})))
    done = run("check", path)
    assert done.returncode == 0
    assert done.stderr.startswith(f"{path}:1:")
    place, _, marks, what, _ = done.stderr.splitlines()[:5]
    assert place.endswith(" warning[GN501]: transitions[1].h1.h1")
    assert marks.endswith(" ^^^^")
    assert what.startswith("  this transition never fires: its times")
    assert done.stderr.endswith("\n\n1 warning; more on it: graphnet explain GN501\n")
    assert run("plan", path).stderr == done.stderr.rpartition("\n\n")[0] + "\n\n"


@pytest.mark.parametrize("command", ["plan", "train"])
def test_other_commands_show_warnings_too(command: str) -> None:
    done = run(command, "size.toml", cwd=WRONG)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == (WRONG / "size.txt").read_text(encoding="utf-8") + "\n1 error; more on it: graphnet explain GN207\n"
    )


def test_standard_input(tiny: Path) -> None:
    for stdin in (QUICKSTART.read_text(), tiny.read_text()):
        done = run("check", "-", stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("-: fine: ")
    wrong = run("plan", "-", stdin="graphnet = \n")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("<stdin>:1:")


def test_files_that_are_not_specs(tmp_path: Path) -> None:
    files = {
        "empty.toml": (b"", "the spec is empty"),
        "empty.json": (b"", "the spec is empty"),
        "garbage.toml": (bytes(range(256)) * 20, "this is not UTF-8"),
        "garbage.json": (b"\x89PNG\r\n\x1a\n\x00\x00" * 50, "this is a picture"),
        "nul.toml": (b"graphnet = 1\x00\n", "this is not TOML"),
        "list.json": (b"[1, 2]", "a spec is a table of keys and values"),
        "number.json": (b"7", "a spec is a table of keys and values"),
        "deep.json": (b"[" * 100_000, "nested more than"),
        "deep.toml": (b"a = " + b"[" * 100_000, "nested more than"),
        "half.toml": (b"[states", "this '[' is never closed"),
        "lone.toml": (b'name = "\\ud800"', "this is not TOML"),
        "none.toml": (None, "there is no such file"),
        "folder": (None, "this is a directory"),
    }
    (tmp_path / "folder").mkdir()
    for name, (content, _) in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    done = run("check", *files, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    for name, (_, said) in files.items():
        first = next(part for part in done.stderr.split("\n\n") if part.startswith(f"{name}:"))
        assert said in first


def test_other_commands_refuse_files_that_are_not_specs(tmp_path: Path) -> None:
    done = run("plan", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{tmp_path}: error[GN001]: spec\n  this is a directory\n")
    done = run("eval", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path} is not a run folder")


def test_plan_as_text_and_as_json() -> None:
    text = run("plan", QUICKSTART)
    assert text.stdout == (ROOT / "tests/golden/specs/quickstart.plan.txt").read_text(encoding="utf-8")
    done = run("plan", QUICKSTART, "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert [len(step["fires"]) for step in data["steps"]] == [1, 2, 5, 5, 3]
    assert data["parameters"] == 95_258
    kept = json.loads(run("plan", QUICKSTART, "--json", "--keep-dead").stdout)
    assert len(kept["lines"]) > len(data["lines"])


def test_the_figures_of_liao_and_poggio() -> None:
    """Issue 2, point 3: 3, 9, 9, 3 transitions at t = 2 to 5; depth 13."""
    text = run("plan", ROOT / "specs/liao-poggio/frnn-3-state.toml").stdout
    assert re.findall(r"^t = (\d+): (\d+) transitions fire$", text, re.M) == [
        ("1", "0"),
        ("2", "3"),
        ("3", "9"),
        ("4", "9"),
        ("5", "3"),
    ]
    assert re.search(r"^depth: +13$", text, re.M)


def test_code_is_python() -> None:
    done = run("code", QUICKSTART)
    assert done.returncode == 0
    names = [node.name for node in ast.parse(done.stdout).body if isinstance(node, ast.FunctionDef)]
    assert names == ["forward"]


def test_draw_every_view(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    done = run("draw", QUICKSTART, "-o", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    assert path.read_text(encoding="utf-8") == (ROOT / "tests/golden/specs/quickstart.svg").read_text(encoding="utf-8")
    dot = tmp_path / "out.dot"
    assert run("draw", QUICKSTART, "--view", "recurrent", "-o", dot).returncode == 0
    assert dot.read_text(encoding="utf-8") == (ROOT / "tests/golden/specs/quickstart.dot").read_text(encoding="utf-8")
    for view in ("matrix", "plan"):
        assert run("draw", QUICKSTART, "--view", view, "--width", "0", "-o", path).returncode == 0
        golden = ROOT / f"tests/golden/specs/quickstart.{view}.svg"
        assert path.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")
    done = run("draw", QUICKSTART, "--dead", "--style", "dark", "-o", tmp_path / "out.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_draw_with_pixels_and_without_a_title(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    assert run("draw", QUICKSTART, "-o", path, "--no-title").returncode == 0
    assert "quickstart" not in path.read_text(encoding="utf-8").replace("<title>quickstart</title>", "")
    for dpi in ("72", "600"):
        assert run("draw", QUICKSTART, "-o", tmp_path / f"{dpi}.png", "--dpi", dpi).returncode == 0
    sizes = [struct.unpack(">II", (tmp_path / f"{dpi}.png").read_bytes()[16:24]) for dpi in (72, 600)]
    assert sizes[1][0] == pytest.approx(sizes[0][0] * 600 / 72, abs=10)
    done = run("draw", QUICKSTART, "-o", tmp_path / "out.png", "--dpi", "0")
    assert done.returncode == 2
    assert "greater than or equal to 10" in done.stderr


def test_without_graphviz_the_recurrent_view_is_drawn_with_a_line_of_advice(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    done = run("draw", QUICKSTART, "--view", "recurrent", "-o", path, PATH="")
    assert (done.returncode, done.stdout) == (0, f"{path}\n")
    assert len(done.stderr.splitlines()) == 1
    assert "Graphviz" in done.stderr
    golden = ROOT / "tests/golden/specs/quickstart.recurrent.svg"
    assert path.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_a_path_without_suffix_becomes_a_folder_of_frames(tmp_path: Path) -> None:
    assert run("draw", QUICKSTART, "-o", tmp_path / "frames").returncode == 0
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == [f"t{t}.png" for t in range(5)]
    (tmp_path / "file").touch()
    done = run("draw", QUICKSTART, "-o", tmp_path / "file")
    assert (done.returncode, done.stderr) == (1, f"cannot write {tmp_path / 'file' / 't0.png'}: File exists\n")
    done = run("draw", QUICKSTART, "--view", "plan", "-o", tmp_path / "more")
    assert done.returncode == 1
    assert not (tmp_path / "more").exists()


def test_an_unknown_format(tmp_path: Path) -> None:
    done = run("draw", QUICKSTART, "--view", "matrix", "-o", tmp_path / "out.gif")
    assert done.returncode == 1
    said = "error: the matrix view cannot be drawn as '.gif'\n  the matrix view: .svg, .png, .pdf"
    assert done.stderr.startswith(said)
    assert not (tmp_path / "out.gif").exists()


def test_show_is_plain_where_it_is_piped() -> None:
    done = run("show", QUICKSTART)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "quickstart"
    assert lines[lines.index("V4  64×2×2") + 1 :][:3] == [
        "  ├─▶ V2      BRD",
        "  ├─▶ V4      BRC+I",
        "  └─▶ logits  post-net BRGL at t = 4",
    ]
    assert "t = 0..4" in lines
    assert "Arrivals at a state are summed." in lines
    assert "│ V1          │ BRC+I │  BRC  │   ·   │" in lines


def test_show_is_as_wide_as_the_terminal() -> None:
    wide = run("show", ROOT / "specs" / "vision" / "cornet-s.toml", COLUMNS="").stdout
    narrow = run("show", ROOT / "specs" / "vision" / "cornet-s.toml", COLUMNS="72").stdout
    assert max(map(len, wide.splitlines())) > 100
    assert max(map(len, narrow.splitlines())) <= 72
    assert "│ C1 at t = 4 │" in wide
    dead = run("show", ROOT / "specs" / "liao-poggio" / "frnn-4-state-adjacent.toml", COLUMNS="").stdout
    assert "(BRDx2)" in dead, "never fires"
    many = run("show", ROOT / "specs" / "vision" / "gated-conv-rnn.toml", COLUMNS="72").stdout
    assert "  V1.xc → V1.c  I, delay 0" in many
    assert "┌" not in many


def test_show_is_coloured_and_fits_on_a_terminal() -> None:
    pty, fcntl, termios = map(pytest.importorskip, ("pty", "fcntl", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 66, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES", "TERM")}
    command = [PROGRAM, "show", "specs/vision/cornet-s.toml"]
    with subprocess.Popen(command, cwd=ROOT, env=env | {"TERM": "xterm"}, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's error when the other end is closed
            while more := os.read(ours, 4096):
                shown += more
    os.close(ours)
    text = shown.decode()
    assert "\x1b[1" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "  └─▶ V2i     C1" in plain
    assert "┌" in plain
    assert max(map(len, plain.splitlines())) <= 66


@pytest.mark.parametrize("command", ["show", "plan"])
def test_a_terminal_without_arrows_gets_question_marks(command: str) -> None:
    done = run(command, QUICKSTART, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "?" in done.stdout


def test_show_draws_strange_labels_as_text(tmp_path: Path) -> None:
    states = {"h1": {"shape": [4, 8, 8], "label": "[red]\x1b[31m :smile: </b>"}, "h2": [6, 4, 4]}
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(small(states=states)))
    done = run("show", path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "[red]\ufffd[31m :smile: </b>" in done.stdout


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    done = run("draw", QUICKSTART, "-o", tmp_path / "none" / "out.svg")
    assert done.returncode == 1
    assert done.stderr == f"cannot write {tmp_path / 'none' / 'out.svg'}: No such file or directory\n"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux has /dev/full")
@pytest.mark.parametrize("command", [["--version"], ["plan", "quickstart"], ["schema"]], ids=" ".join)
def test_a_full_disk_behind_the_output(command: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, *command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "error: cannot write the output: No space left on device\n")


def test_training_leaves_a_run_that_eval_repeats(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = run("train", tiny, "-o", folder, "--epochs", "1", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    accuracy = re.search(
        r"test accuracy (\S+) after [\d.]+ s \(a linear classifier on 1,347 images: 9\d\.\d+%\)", done.stdout
    )
    assert accuracy, done.stdout
    assert done.stdout.splitlines()[-1] == f"results in {folder}"
    files = {path.name for path in folder.iterdir()}
    assert files == {
        "diagram.svg",
        "last.safetensors",
        "logits.npz",
        "metrics.jsonl",
        "plan.txt",
        "predictions.json",
        "previous.safetensors",
        "recipe.toml",
        "run.json",
        "spec.json",
        "summary.csv",
    }
    assert json.loads((folder / "spec.json").read_text()) == TINY
    tiny.unlink()
    again = run("eval", folder, "--device", "cpu")
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"test accuracy {accuracy[1]}\n450 of 450 predictions are those made after training\n"


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        (
            {"post_net": {"ops": "GL", "classes": 7}},
            [],
            "digits need an output [10], for 10 classes; the net's output is [7]",
        ),
        ({}, ["--data", "cifra10"], "no data set is called 'cifra10'\n  did you mean 'cifar10'? known: digits,"),
    ],
)
def test_training_that_is_refused(changes: dict[str, Any], options: list[str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY | changes))
    done = run("train", path, "-o", tmp_path / "run", "--epochs", "1", *options)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert not (tmp_path / "run").exists()


IN_TURN = """
import signal
import sys
from graphnet.cli.main import main
for arguments in COMMANDS:
    sys.argv = ["graphnet", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments
"""


def test_the_same_bytes_under_any_hash_seed(tmp_path: Path) -> None:
    slab = {"h1": {"h1": "BR(C+C1+I)", "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}
    sets = [{"members": ["h1->h1@1..2", "h1->h1@4..5"]}]
    spec = small(slab, {"t": "T-1", "h1": {"h2": "C"}}, sharing={"sets": sets}, readout={"t": [3, 5]})
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    names = ("unrolled.svg", "recurrent.dot", "recurrent.svg", "matrix.svg", "plan.svg", "unrolled.png")
    pictures = [tmp_path / name for name in names]
    draw = [["draw", str(path), "-o", str(picture), "--view", picture.stem] for picture in pictures]
    commands = [["check", str(path)], ["plan", "--json", str(path)], ["code", str(path)], *draw]
    made = []
    for seed in ("0", "1", "2"):
        script = f"COMMANDS = {commands!r}\n{IN_TURN}"
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, check=True)
        made.append([done.stdout, done.stderr, *(picture.read_bytes() for picture in pictures)])
        assert all(map(len, (done.stdout, *made[-1][2:])))
    assert made[0] == made[1] == made[2]
