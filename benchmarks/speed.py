"""Time the tool beside ruff and flake8-async, as whole processes in turn, and print the goals.

The code that is checked comes from pinned wheels, which are downloaded and unpacked into a cache
outside version control; nothing of it is run. ``ruff`` and ``flake8-async`` are those on PATH or
in ``--tools``; what is not there is not measured, and the table says so. ``RESULTS.md`` and
``growth.svg`` are written by a run over all goals.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus import unpacked
from corpus_data import Package, parses

HERE = Path(__file__).resolve().parent
BIG = HERE / "speed" / "packages.txt"
RESULTS = HERE / "RESULTS.md"
GROWTH = HERE / "growth.svg"
SMALL = Package("mcp", "1.27.0")
NO_ASYNC = Package("sympy", "1.14.0")
GROWTH_FILES = (30, 100, 300, 1_000, 3_000, 10_000)
# flake8-async takes most of a minute for a megabyte.
SLOW_FILES = 100
_ALL = "1,2,3,4,5,6,7,8,9"
# A cold run over `big` takes a minute.
COLD_RUNS = 3
KILLS = 40
# Files that are changed one after the other, of those with and of those without a finding.
SAMPLE = 15
_REMARK, _STATEMENT = b"# %d\n", b"changed_%d = 1\n"
MIB = 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took: seconds on the clock, CPU seconds, and its peak memory in KiB."""

    wall: float
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Row:
    """One goal and what was measured for it."""

    number: str
    goal: str
    must: float
    measured: Sequence[float]
    remark: str = ""

    def __str__(self) -> str:
        """Return the row of the table."""
        if not self.measured:
            return f"| {self.number} | {self.goal} | <= {self.must:g} | not measured | | |"
        median = statistics.median(self.measured)
        spread = f"{min(self.measured):.3g} to {max(self.measured):.3g}"
        verdict = "met" if median <= self.must else "missed"
        shown = f"{median:.3g} ({spread})"
        cells = (self.number, self.goal, f"<= {self.must:g}", shown, verdict, self.remark)
        return f"| {' | '.join(cells)} |"


class Tools:
    """The commands that are compared."""

    def __init__(self, folder: str | None) -> None:
        path = f"{folder}{os.pathsep}{os.environ['PATH']}" if folder else None
        self.ruff = shutil.which("ruff", path=path)
        self.flake8_async = shutil.which("flake8-async", path=path)

    def scopelint(self, *words: str) -> list[str]:
        """Return a run of this tool, by the command that its installation makes."""
        return [str(Path(sys.executable).with_name("scopelint")), *words]

    def ruff_check(self, folder: Path, *words: str) -> list[str] | None:
        """Return a run of ruff's rules on the same subject."""
        rules = ["--isolated", "--quiet", "--select", "ASYNC,RUF006"]
        return [self.ruff, "check", *rules, *words, str(folder)] if self.ruff else None

    def flake8(self, folder: Path) -> list[str] | None:
        """Return a run of flake8-async, which reads no folders, and ends where it cannot parse."""
        files = (str(path) for path in sorted(folder.rglob("*.py")) if parses(path))
        return [self.flake8_async, *files] if self.flake8_async else None

    def versions(self) -> Iterator[str]:
        """Yield the versions of all that is compared."""
        yield f"Python {platform.python_version()}"
        for command in (self.scopelint("--version"), [self.ruff, "--version"]):
            if command[0]:
                yield _output([word for word in command if word])
        if self.flake8_async:
            python = str(Path(self.flake8_async).with_name("python"))
            asked = (
                "import importlib.metadata as m; print('flake8-async', m.version('flake8-async'))"
            )
            yield _output([python, "-c", asked])


def main() -> int:
    """Build what is checked, measure, and write the results."""
    parser = argparse.ArgumentParser(description="Time the tool beside ruff and flake8-async.")
    parser.add_argument("--cache", type=Path, default=HERE / ".corpus", metavar="DIR")
    parser.add_argument("--tools", metavar="DIR", help="where ruff and flake8-async are")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--goals", default=_ALL, metavar="N,N", help="only these")
    parser.add_argument("--same", action="store_true", help="only compare what runs print")
    options = parser.parse_args()
    # An installed tool is not compiled anew in every run.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sets = Sets(options.cache.resolve())
    tools = Tools(options.tools and str(Path(options.tools).resolve()))
    # ruff runs isolated, and what is configured where this is run is none of what is measured.
    os.chdir(tempfile.gettempdir())
    if options.same:
        trees = sorted(each for each in sets.trees.iterdir() if each.is_dir())
        folders = [*trees, sets.small, sets.no_async, sets.big]
        differing = [folder.name for folder in folders if not is_same(folder, sets, tools)]
        print(f"{len(folders)} folders; not the same: {', '.join(differing) or 'none'}")
        return int(bool(differing) or not survives(sets, tools))
    bench = Bench(sets, tools, options.runs)
    lines = ["# Speed", "", f"Measured with {', '.join(tools.versions())} on "
             f"{os.cpu_count()} cores (load at the start: {os.getloadavg()[0]:.1f}); medians and "
             f"spreads of {options.runs} runs in turn, fewer where they take minutes. "
             f"`big`: {describe(sets.big)}. `small`: {describe(sets.small)}. "
             f"`no-async`: {describe(sets.no_async)}.", ""]  # fmt: skip
    lines += ["| # | goal | must | measured | | |", "| --- | --- | --- | --- | --- | --- |"]
    for line in lines:
        print(line)
    goals = options.goals.split(",")
    for goal, measure in bench.measures().items():
        for row in measure() if goal in goals else ():
            lines.append(str(row))
            print(row, flush=True)
    if "8" in goals:
        growth = bench.growth()
        row = bench.growth_row(growth["scopelint"][GROWTH_FILES.index(10_000)])
        print(row)
        lines += [str(row), "", *growth_table(growth)]
        lines += ["", "![growth](growth.svg)"]
    if options.goals == _ALL:
        GROWTH.write_text(drawn(growth), "utf-8")
        RESULTS.write_text("\n".join([*lines, ""]), "utf-8")
        print(f"written to {RESULTS}")
    return 0


class Sets:
    """The folders that are checked, built when they are first asked for."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self.folder = cache / "speed"
        self.trees = cache / "tree"
        packages = [Package(*line.split("==")) for line in BIG.read_text("utf-8").split()]
        self.big = self._set("big", packages)
        self.small = self._set("small", [SMALL])
        self.no_async = self._set("no-async", [NO_ASYNC])

    def _set(self, name: str, packages: Sequence[Package]) -> Path:
        target = self.folder / name
        if not target.is_dir():
            partial = target.with_name(f"{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            for package in packages:
                tree = unpacked(package, self._cache)
                shutil.copytree(tree, partial / tree.name, ignore=_not_python)
            partial.rename(target)
        return target

    def growth(self, files: int, part: int = 0) -> Path:
        """Return one project with so many files of `big`, whole folders in a mixed order.

        The parts of one size have no file in common.
        """
        target = self.folder / (f"growth-{files}-{part}" if part else f"growth-{files}")
        if not target.is_dir():
            self._fill(target, files, part)
        # Otherwise one file that imports trio would have the whole told of more than its parts.
        (target / "scopelint.toml").write_text('backends = ["asyncio", "trio"]\n', "utf-8")
        return target

    def _fill(self, target: Path, files: int, part: int) -> None:
        target.mkdir()
        (target / "setup.cfg").touch()
        folders = sorted({path.parent for path in self.big.rglob("*.py")})
        folders.sort(key=lambda folder: zlib.crc32(str(folder.relative_to(self.big)).encode()))
        paths = [path for folder in folders for path in sorted(folder.glob("*.py"))]
        for path in paths[part * files : (part + 1) * files]:
            # Without the version of the wheel, whose folder is no package.
            name = path.relative_to(self.big).parts
            to = target.joinpath(name[0].split("--")[0] + "_wheel", *name[1:])
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


def _not_python(folder: str, names: list[str]) -> list[str]:
    kept = (".py", ".pyi", ".cfg", ".toml", "METADATA")
    return [n for n in names if not n.endswith(kept) and not Path(folder, n).is_dir()]


class Bench:
    """Measures the goals."""

    def __init__(self, sets: Sets, tools: Tools, runs: int) -> None:
        self._sets = sets
        self._tools = tools
        self._runs = runs
        self._memo = sets.folder / "cache"
        self._ruff_memo = sets.folder / "ruff-cache"

    def measures(self) -> Mapping[str, Callable[[], Iterator[Row]]]:
        """Return what is measured for each goal, but for that on growth."""
        return {
            "1": self._cold,
            "2": self._small,
            "3": self._warm,
            "4": self._changed,
            "5": self._touched,
            "6": self._one_file,
            "7": self._no_async,
            "9": self._fix,
        }

    def _check(self, folder: Path, *words: str) -> list[str]:
        return self._tools.scopelint("check", "--cache-dir", str(self._memo), *words, str(folder))

    def _forget(self) -> None:
        shutil.rmtree(self._memo, ignore_errors=True)

    def _pairs(
        self,
        mine: Sequence[str],
        other: Sequence[str] | None,
        before: Callable[[], None] = lambda: None,
        runs: int = 0,
    ) -> list[tuple[Run, Run]]:
        """Run two commands in turn."""
        if other is None:
            return []
        pairs: list[tuple[Run, Run]] = []
        for _ in range(runs or self._runs):
            before()
            pairs.append((timed(mine), timed(other)))
        return pairs

    def _cold(self) -> Iterator[Row]:
        big = self._sets.big
        ruff = self._tools.ruff_check(big, "--no-cache")
        pairs = self._pairs(self._check(big), ruff, self._forget, min(COLD_RUNS, self._runs))
        yield Row("1", "`big`, cold, CPU against ruff without cache", 4, cpu(pairs), told(pairs))
        memory = [mine.memory / MIB for mine, _ in pairs]
        yield Row("10", "peak memory, `big` cold, MiB", 64, memory)
        words = ("check", "--no-cache", "--jobs", "1")
        runs = {
            project.name: timed([sys.executable, "-c", _UNTIL_LIBCST, *words, str(project)])
            for project in sorted(big.iterdir())
        }
        largest = max(runs, key=lambda name: runs[name].memory)
        goal = "peak memory, one project of `big` cold, until LibCST is loaded, MiB"
        yield Row("10", goal, 64, [runs[largest].memory / MIB], largest)

    def _small(self) -> Iterator[Row]:
        small = self._sets.small
        pairs = self._pairs(self._check(small), self._tools.flake8(small), self._forget, 1)
        goal = "`small`, cold, CPU against flake8-async"
        yield Row("2", goal, 1 / 50, cpu(pairs), told(pairs))

    def _warm(self) -> Iterator[Row]:
        big = self._sets.big
        ruff = self._tools.ruff_check(big, "--cache-dir", str(self._ruff_memo))
        for command in (self._check(big), ruff):
            if command is not None:
                timed(command)
        pairs = self._pairs(self._check(big), ruff)
        yield Row("3", "`big`, warm, wall against ruff warm", 0.9, wall(pairs), told(pairs))
        yield Row(
            "10", "peak memory, `big` warm, MiB", 40, [mine.memory / MIB for mine, _ in pairs]
        )

    def _changed(self) -> Iterator[Row]:
        big = self._sets.big
        found = _output(
            self._check(big, "--output-format", "concise", "--quiet", "--color", "never")
        )
        flagged = {Path(line.split(":")[0]).resolve() for line in found.splitlines()}
        every = sorted(big.rglob("*.py"))
        for kind, must, paths in (
            ("has no finding", 1.5, [path for path in every if path not in flagged]),
            ("has one", 3.0, sorted(flagged)),
        ):
            goal = f"one file changed against none, `big`, wall: the file {kind}"
            # What a change costs depends on the file.
            drawn = random.Random(0).sample(paths, SAMPLE)
            pairs = [pair for path in drawn for pair in self._edited(path, _STATEMENT, 1)]
            yield Row("4", f"{goal}, {SAMPLE} drawn by lot", must, wall(pairs), told(pairs))
            of_prefect = [path for path in paths if "prefect" in path.parts]
            path = min(of_prefect, key=lambda path: (-path.stat().st_size, path))
            for what, line in (("a remark", _REMARK), ("a statement", _STATEMENT)):
                pairs = self._edited(path, line, min(COLD_RUNS, self._runs))
                which = f"{goal}, the largest of prefect, {what} more"
                yield Row("4", which, must, wall(pairs), f"{path.name}: {told(pairs)}")

    def _edited(self, path: Path, line: bytes, runs: int) -> list[tuple[Run, Run]]:
        """Time runs after a line is put before the first import of a file, which moves the rest.

        In a file without imports it comes last.
        """
        raw = path.read_bytes()
        head, word, tail = raw.partition(b"\nimport ")
        pairs: list[tuple[Run, Run]] = []
        for number in range(runs):
            path.write_bytes(head + b"\n" + line % number + word[1:] + tail)
            # What changed a moment ago is hashed again in the next run.
            os.utime(path, (time.time() - 60 + number,) * 2)
            pairs.append((timed(self._check(self._sets.big)), timed(self._check(self._sets.big))))
        path.write_bytes(raw)
        os.utime(path, (time.time() - 60,) * 2)
        timed(self._check(self._sets.big))
        return pairs

    def _touched(self) -> Iterator[Row]:
        big = self._sets.big

        def touch() -> None:
            # Not now: what changed a moment ago is hashed again in the next run.
            then = time.time() - 60
            for path in big.rglob("*.py"):
                os.utime(path, (then, then))

        timed(self._check(big))
        pairs = self._pairs(self._check(big), self._check(big, "--no-cache"), touch, 2)
        goal = "all times changed, same bytes, `big`, CPU against cold"
        yield Row("5", goal, 0.25, cpu(pairs), told(pairs))

    def _one_file(self) -> Iterator[Row]:
        path = next(self._sets.small.glob("*/mcp/types.py"))
        libcst = [sys.executable, "-c", "import libcst"]
        timed(self._check(path))
        pairs = self._pairs(self._check(path), libcst)
        goal = "one clean file of a small project, warm, wall against `import libcst`"
        yield Row("6", goal, 0.4, wall(pairs), told(pairs))
        yield Row("10", "peak memory, one file, MiB", 20, [mine.memory / MIB for mine, _ in pairs])

    def _no_async(self) -> Iterator[Row]:
        folder = self._sets.no_async
        ruff = self._tools.ruff_check(folder, "--no-cache")
        pairs = self._pairs(self._check(folder), ruff, self._forget)
        goal = "`no-async`, cold, wall against ruff without cache"
        yield Row("7", goal, 0.6, wall(pairs), told(pairs))

    def _fix(self) -> Iterator[Row]:
        path = self._sets.folder / "one" / "query.py"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "pyproject.toml").write_text('[project]\nname = "one"\n', "utf-8")
        path.write_text(_ONE_FINDING, "utf-8")
        fix = self._tools.scopelint("fix", "--diff", "--unsafe-fixes", str(path))
        parse = "import libcst, sys; libcst.parse_module(open(sys.argv[1]).read())"
        pairs = self._pairs(fix, [sys.executable, "-c", parse, str(path)])
        goal = "`fix` of one file with one finding, CPU against parsing it with LibCST"
        yield Row("9", goal, 4, cpu(pairs), told(pairs))

    def growth_row(self, whole: tuple[int, float]) -> Row:
        """Return the goal on growth: the cost of 10,000 files, and of its parts of 1,000 files.

        What a thousand files hold differs much, so all parts count.
        """
        parts = [self._sets.growth(1_000, part) for part in range(10)]
        size = sum(map(bytes_of, parts))
        costs = []
        for folder in parts:
            self._forget()
            costs.append(timed(self._check(folder)).cpu)
        spread = f"the parts {min(costs):.2f} to {max(costs):.2f} s"
        remark = f"CPU {whole[1]:.1f} / {sum(costs):.1f} s, {spread}"
        goal = "growth, cold CPU: 10,000 files / the same in ten parts, over the ratio of bytes"
        return Row("8", goal, 1.2, [whole[1] / sum(costs) / (whole[0] / size)], remark)

    def growth(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Return the CPU seconds of the tools over ever larger projects, by their bytes."""
        found: dict[str, list[tuple[int, float]]] = {}
        for files in GROWTH_FILES:
            folder = self._sets.growth(files)
            size = bytes_of(folder)
            commands = {
                "scopelint": self._check(folder),
                "ruff": self._tools.ruff_check(folder, "--no-cache"),
                "flake8-async": self._tools.flake8(folder) if files <= SLOW_FILES else None,
            }
            for name, command in commands.items():
                if command is not None:
                    costs = []
                    for _ in range(1 if files > 3_000 or name == "flake8-async" else 3):
                        self._forget()
                        costs.append(timed(command).cpu)
                    found.setdefault(name, []).append((size, min(costs)))
        return found


_ONE_FINDING = """\
import anyio


class Query:
    def __init__(self) -> None:
        self._tg = None

    async def start(self) -> None:
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()
        self._tg.start_soon(self._read)

    async def close(self) -> None:
        self._tg.cancel_scope.cancel()
        await self._tg.__aexit__(None, None, None)

    async def _read(self) -> None:
        await anyio.sleep(1)
"""


# A run that ends where it would load LibCST.
_UNTIL_LIBCST = """
import os, sys

class Watcher:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "libcst":
            os._exit(0)

sys.meta_path.insert(0, Watcher)
from scopelint.cli import run
run()
"""
# A process begins with the peak memory of the one that starts it, so a small one does.
_WATCHED = """
import os, sys, time
started = time.perf_counter()
silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, usage = os.wait4(pid, 0)
wall, cpu = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, wall, cpu)
"""


def timed(command: Sequence[str]) -> Run:
    """Run a command and return what it took."""
    code, memory, wall_seconds, cpu_seconds = _output(
        [sys.executable, "-S", "-c", _WATCHED, *command]
    ).split()
    if code not in ("0", "1"):
        raise SystemExit(f"exit code {code}: {' '.join(command)}")
    return Run(float(wall_seconds), float(cpu_seconds), int(memory))


def is_same(folder: Path, sets: Sets, tools: Tools) -> bool:
    """Say whether all ways to run over a folder print the same bytes."""
    memo = sets.folder / "cache"
    shutil.rmtree(memo, ignore_errors=True)
    json = ["check", "--output-format", "json", "--cache-dir", str(memo)]
    ways = {
        "cold": [*json, "--jobs", "1"],
        "warm": json,
        "without cache": [*json, "--no-cache", "--jobs", "1"],
        "with 2 workers": [*json, "--no-cache", "--jobs", "2"],
        "with 5 workers": [*json, "--no-cache", "--jobs", "5"],
    }
    printed = {way: _output(tools.scopelint(*words, str(folder))) for way, words in ways.items()}
    sums = {way: f"{zlib.crc32(output.encode()):08x}" for way, output in printed.items()}
    print(f"{folder.name}: {len(printed['cold'])} characters, {sums}", flush=True)
    return len(set(printed.values())) == 1


def survives(sets: Sets, tools: Tools) -> bool:
    """Say whether runs that are killed at any moment leave nothing that changes a later one."""
    memo = sets.folder / "cache"
    json = ["check", "--output-format", "json", "--cache-dir", str(memo), str(sets.small)]
    shutil.rmtree(memo, ignore_errors=True)
    started = time.perf_counter()
    expected = _output(tools.scopelint(*json))
    seconds = time.perf_counter() - started
    chance = random.Random(0)
    wrong = 0
    for number in range(KILLS):
        if number % 5 == 0:
            shutil.rmtree(memo, ignore_errors=True)
        # Most of a run reads; what it writes comes last.
        moment = seconds * chance.choice((chance.random(), 1 - chance.random() / 10))
        killed = subprocess.Popen(tools.scopelint(*json), stdout=subprocess.DEVNULL)
        time.sleep(moment)
        killed.kill()
        killed.wait()
        wrong += number % 5 == 4 and _output(tools.scopelint(*json)) != expected
    print(f"{KILLS} runs killed; wrong afterwards: {wrong}")
    return not wrong


def cpu(pairs: Sequence[tuple[Run, Run]]) -> list[float]:
    """Return the ratios of CPU seconds."""
    return [mine.cpu / other.cpu for mine, other in pairs]


def wall(pairs: Sequence[tuple[Run, Run]]) -> list[float]:
    """Return the ratios of seconds on the clock."""
    return [mine.wall / other.wall for mine, other in pairs]


def told(pairs: Sequence[tuple[Run, Run]]) -> str:
    """Return the medians of both sides in seconds."""
    if not pairs:
        return ""
    sides = [[run for run, _ in pairs], [run for _, run in pairs]]
    cpus = " / ".join(f"{statistics.median(r.cpu for r in side):.2f}" for side in sides)
    walls = " / ".join(f"{statistics.median(r.wall for r in side):.2f}" for side in sides)
    return f"CPU {cpus} s, wall {walls} s"


def describe(folder: Path) -> str:
    """Return the size of a set in words."""
    count = sum(1 for _ in folder.rglob("*.py"))
    return f"{count:,} files, {bytes_of(folder) / 1e6:.1f} MB"


def bytes_of(folder: Path) -> int:
    """Return the bytes of all Python files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.py"))


def growth_table(growth: Mapping[str, Sequence[tuple[int, float]]]) -> list[str]:
    """Return the costs of the tools over ever larger projects as a table."""
    lines = [f"| files | MB | {' | '.join(growth)} |", "| --- " * (len(growth) + 2) + "|"]
    for number, files in enumerate(GROWTH_FILES):
        size = growth["scopelint"][number][0]
        cells = [f"{p[number][1]:.2f} s" if number < len(p) else "" for p in growth.values()]
        lines.append(f"| {files:,} | {size / 1e6:.1f} | {' | '.join(cells)} |")
    return lines


def drawn(growth: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Return the growth as a drawing with logarithmic axes."""
    points = [point for line in growth.values() for point in line]
    left, right = (f(size for size, _ in points) for f in (min, max))
    low, high = (f(cost for _, cost in points) for f in (min, max))

    def place(size: float, cost: float) -> tuple[float, float]:
        x = 90 + 480 * math.log(size / left) / math.log(right / left)
        return x, 330 - 290 * math.log(cost / low) / math.log(high / low)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 690 390" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="690" height="390" fill="white"/>',
    ]
    for cost in _powers(low, high):
        _, y = place(left, cost)
        parts.append(f'<path d="M90 {y:.1f}H570" stroke="#ddd"/>')
        parts.append(_text(82, y + 4, f"{cost:g} s", anchor="end"))
    for size in _powers(left, right):
        x, _ = place(size, low)
        parts.append(f'<path d="M{x:.1f} 40V330" stroke="#ddd"/>')
        parts.append(_text(x, 348, f"{size / 1e6:g} MB", anchor="middle"))
    for (name, line), colour in zip(growth.items(), _COLOURS, strict=False):
        places = [place(*point) for point in line]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        x, y = places[-1]
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(_text(x + 8, y + 4, name, colour=colour))
    parts.append(_text(330, 372, "size of the project, MB of Python", anchor="middle"))
    parts.append('<g transform="rotate(-90 24 185)">')
    parts.append(_text(24, 185, "CPU time without a cache, seconds", anchor="middle"))
    return "\n".join([*parts, "</g>", "</svg>\n"])


_COLOURS = ("#b3261e", "#3a5a98", "#6b6b6b")


def _powers(low: float, high: float) -> list[float]:
    """Return the powers of ten between two numbers."""
    return [10.0**n for n in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout or done.stderr).strip()


if __name__ == "__main__":
    sys.exit(main())
