#!/usr/bin/env python3
"""Runs the proofs, and prints and writes as one HTML file what each showed.

    tools/evidence [--full] [--out FILE]        also: bazel run //tools:evidence

Every figure is taken from the output of a command that this script has just run (tests that have not changed
since they last passed answer from Bazel's cache, and are marked so). Where a command did not run, or did not say
what it should, the row says that. --full runs campaigns: an hour and more.
"""

import argparse
import datetime
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or pathlib.Path(__file__).resolve().parent.parent)

SHOWN, MISSED, FAILED, ABSENT = "shown", "missed", "FAILED", "did not run"


class Row:
    def __init__(self, group, claim, how, command):
        self.group, self.claim, self.how, self.command = group, claim, how, command
        self.status, self.figure = ABSENT, "the command did not run"


class Tests:
    """One `bazel test`, by what Bazel itself says of it (build event protocol)."""

    def __init__(self, targets, extra):
        self.command = ["bazel", "test", *extra, *targets]
        with tempfile.NamedTemporaryFile(suffix=".json") as events:
            say(f"running: {' '.join(self.command)}")
            self.code = subprocess.run(
                [*self.command, f"--build_event_json_file={events.name}"],
                cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
            self.results = {}
            for line in events:
                event = json.loads(line)
                if "testResult" not in event:
                    continue
                result = event["testResult"]
                logs = [o.get("uri", "") for o in result.get("testActionOutput", []) if o.get("name") == "test.log"]
                path = logs[0].removeprefix("file://") if logs else ""
                self.results[event["id"]["testResult"]["label"]] = {
                    "passed": result.get("status") in ("PASSED", "FLAKY"),
                    "flaky": result.get("status") == "FLAKY",
                    "cached": result.get("cachedLocally", False) or result.get("executionInfo", {}).get("cachedRemotely", False),
                    "log": pathlib.Path(path).read_text(errors="replace") if path and os.path.exists(path) else "",
                }

    def log(self, label):
        return self.results.get(label, {}).get("log", "")


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **more):
    """Its output, or nothing where it failed."""
    say(f"running: {' '.join(command)}")
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)
    return done.stdout if done.returncode == 0 else None


def first(pattern, text, *, flags=re.M):
    found = re.search(pattern, text or "", flags)
    return found.group(1).strip() if found else None


class Report:
    def __init__(self, full):
        self.full = full
        self.rows = []
        self.skipped = []
        self.pictures = []
        self.machine = "not said: the latency bench did not run"

    def add(self, group, claim, how, command, figure, good=True, otherwise=FAILED):
        """figure: what was found, or None where the output did not say it."""
        row = Row(group, claim, how, command)
        if figure is not None:
            row.status, row.figure = (SHOWN if good else otherwise), figure
        self.rows.append(row)

    def from_test(self, tests, label, group, claim, how, *patterns, skip=r".", good=r""):
        """One row from a test's log: the lines that the patterns' groups match, each of which must be there.

        A line "SKIPPED: ..." whose reason matches `skip` says that this was not shown; `good` must match the figure.
        """
        result = tests.results.get(label)
        row = Row(group, claim, how, f"bazel test {label}")
        if result:
            lines = [re.findall(pattern, result["log"], re.M) for pattern in patterns]
            skips = [s for s in re.findall(r"SKIPPED: *(.*)$", result["log"], re.M) if re.match(skip, s)]
            row.figure = "; ".join(dict.fromkeys(line.strip() for found in lines for line in found))
            if not result["passed"]:
                row.status, row.figure = FAILED, "the test failed"
            elif skips:
                row.figure = f"skipped: {skips[0]}"
            elif not all(lines):
                row.status, row.figure = FAILED, f"passed, and did not say all it should: {row.figure}"
            else:
                row.status = SHOWN if re.search(good, row.figure) else FAILED
                row.figure += marks(result)
        self.rows.append(row)


def marks(result):
    return (" (from Bazel's cache)" if result["cached"] else "") + (" (only at a second try)" if result["flaky"] else "")


def every_test(report, tests):
    passed = sum(r["passed"] for r in tests.results.values())
    cached = sum(r["cached"] for r in tests.results.values())
    good = tests.code == 0 and passed == len(tests.results) and passed > 0
    report.add("Tests", "every test passes", "unit tests, rigs with real processes, models, the tool, the fuzzer's corpus",
               "tools/test", f"{passed} of {len(tests.results)} passed, {cached} of them from Bazel's cache"
               if tests.results else None, good)
    cases = sum(int(n) for r in tests.results.values() for n in re.findall(r"^\[  PASSED  \] (\d+) tests?\.", r["log"], re.M))
    report.add("Tests", "cases within them", "GoogleTest's own counts", "tools/test", f"{cases} cases passed" if cases else None)
    for label, result in sorted(tests.results.items()):
        for line in result["log"].splitlines():
            if "SKIPPED:" in line and "[  SKIPPED" not in line:
                report.skipped.append((label, line.split("SKIPPED:", 1)[1].strip()))


def models(report, tests):
    bars = []
    for label, result in sorted(tests.results.items()):
        if not label.startswith("//model:") or not label.endswith("_model"):
            continue
        searches = re.findall(r"^(.*): (\d+) executions(, exhausted|, not exhausted|): (.*)$", result["log"], re.M)
        total = sum(int(s[1]) for s in searches)
        exhausted = sum(s[2] == ", exhausted" for s in searches)
        name = label.split(":")[1].removesuffix("_model").replace("_", " ")
        good = result["passed"] and searches and all(s[3] == "nothing found" for s in searches)
        report.add("Models", f"{name}: no interleaving of the shipped header breaks it", "Relacy: searches of schedules and stale loads",
                   f"bazel test {label}", f"{total:,} executions in {len(searches)} searches, {exhausted} of them exhausted{marks(result)}" if searches else None, bool(good))
        bars.append({"label": name, "value": total, "text": f"{total:,}", "highlight": False})
    report.from_test(tests, "//model:kill_states", "Models", "every memory a kill may leave is mended by the successor",
                     "all store reorderings that the orders permit, enumerated", r"^(\w+: \d+ memories)")
    label = "//model:mutation_sweep"
    log = tests.log(label)
    result = tests.results.get(label)
    counts = re.search(r"^mutants (\d+), caught (\d+), survived (\d+)", log, re.M)
    report.add("Models", "every memory order is needed, every step too", "each order weakened, each step left out, late or wrong",
               f"bazel test {label}", f"{counts[1]} mutants, {counts[2]} caught, {counts[3]} survived{marks(result)}" if counts else None,
               bool(counts) and result["passed"] and counts[1] == counts[2] != "0")
    caught = {}
    for by in re.findall(r"caught after \d+ executions \((kill states|\w+?)(?:_model)?[:,]", log):
        caught[by.replace("_", " ")] = caught.get(by.replace("_", " "), 0) + 1
    panels = []
    if bars:
        panels.append({"title": "Interleavings explored", "subtitle": "executions of each model, all searches", "unit": "", "bars": bars})
    if caught:
        panels.append({"title": "Mutants caught", "subtitle": "by the model that caught them first", "unit": "",
                       "bars": [{"label": k, "value": v, "text": str(v)} for k, v in sorted(caught.items(), key=lambda x: -x[1])]})
    if panels:
        report.pictures.append(("Models", panels))


def rigs(report, tests):
    def rig(name, claim, how, pattern):
        report.from_test(tests, f"//stress:{name}", "Processes", claim, how, pattern)

    rig("chaos_stress", "readers see whole blocks of the right lane, frame and epoch while everything is written", "processes that append, overwrite, punch, edit and read",
        r"^(\d+ processes, .*)$")
    rig("kill_stress", "a writer killed at a random moment loses nothing committed, and nothing piles up", "SIGKILL, then a successor's view against what was committed",
        r"^(\d+ kills \(.*|left over: .*)$")
    rig("step_stress", "killed at any instruction, each block is old or new", "the file as it is after every instruction, given to a reader and a successor",
        r"^(\d+ points, .*)$")
    rig("ownership_stress", "one owner a lane and page", "races, forks, stopped and killed owners", r"^(\d+ (?:races|stopped).*)$")
    rig("history_stress", "reads and writes are in an order that explains them all", "logged with one clock, and checked", r"^(\d+ writes, .*)$")
    rig("power_growth_stress", "a power loss while the file grows costs pages that nobody had synced, and nothing else",
        "a real ext4, its device copied when the words are on it and the size is not", r"^(\d+ images .*)$")
    rig("power_growth_stress", "and a growth without its barrier is caught", "the durable bytes stored too early",
        r"^with the durable bytes stored before the size is on disk: (found after \d+ images)")
    rig("create_stress", "a canvas is created wholly or not at all", "creators that race and are killed", r"^(\d+ (?:races|edges).*)$")


ZERO = r"^0 syscalls, 0 allocations, 0 locks, 0 minor and 0 major page faults"


def realtime(report, tests):
    group = "Realtime"

    def stress(claim, how, pattern, **more):
        report.from_test(tests, "//stress:realtime_stress", group, claim, how, pattern, **more)

    def jack(claim, how, *patterns, **more):
        report.from_test(tests, "//examples:jack_test", group, claim, how, *patterns, **more)

    guard = r"the guard|the claim|a JACK server"
    stress("a read in a window makes no syscall, allocation, lock or page fault", "counted by a guard, beside writers, punches, syncs and a balloon",
           r"^guard: (.*)$", skip=guard, good=ZERO)
    stress("neither does a neighbour that is given back, after the file was read through", "folios of up to 2 MiB, slots of whole ones",
           r"^(neighbours in slots of multiples of .*)$", skip=guard)
    stress("with slots that share folios it would", "the premise: the same, 4 KiB apart", r"^neighbours in slots 4 KiB apart: ([\d ]+faults)", skip=guard)
    stress("and reads what is there", "stamps of the frames read", r"^(reads .*)$", skip=r"$^")
    stress("memory was short meanwhile", "a balloon in a memory group", r"^(balloon: .*)$", skip=r"the balloon")
    stress("a filter that kills at any syscall kills nobody but the planted one", "seccomp", r"^(under seccomp: .*)$", skip=r"no seccomp|seccomp")
    report.from_test(tests, "//canvas/testing:realtime_guard_test", group, "the guard fires", "each kind of violation planted, counted and trapped", r"^\[  PASSED  \] (\d+ tests)")
    jack("a JACK callback of sixteen lanes makes none either", "jackd2, dummy driver, period 1,024, under the guard", r"^guard: (.*)$", skip=guard, good=ZERO)
    jack("the same callback with a planted syscall", "it must be counted, and the player must fail", r"^planted: guard: (.*)$", skip=guard, good=r"^[1-9]\d* syscalls")
    jack("how long the callback takes", "the clock around it; xruns are the host's", r"^(in the callback: .*)$", r"^(reads that came too late.*)$", skip=guard)
    jack("what it rendered is the file's, sample for sample", "captured by another client", r"^(captured .*)$", skip=guard, good=r" 0 different")
    report.from_test(tests, "//stress:budget_stress", group, "the work of a read is bounded", "instructions, counted by callgrind, against budgets for each compiler", r"^(worst read .*)$")
    kinds = re.findall(r"^  (.{40,50}?)\s+(\d+)\s+([\d.]+) x", tests.log("//stress:budget_stress"), re.M)
    if kinds:
        report.pictures.append((group, [{
            "title": "Instructions of a read", "subtitle": "callgrind; x: against 256 frames inside a block", "unit": "",
            "bars": [{"label": k[0].strip().replace("256 frames, ", "").replace("256 frames ", ""), "value": int(k[1]), "text": f"{int(k[1]):,}, {k[2]} x"} for k in kinds]}]))


def memory(report, tests):
    label = "//stress:memory_stress"
    group = "Memory and disk"
    played, never = r"memory|\d+ minutes", r"$^"
    for claim, how, skip, *patterns in [
        ("what was played", "sixteen stereo lanes, fully written, by another process", played, r"^(.*of samples)$", r"^(played .*)$"),
        ("a reading process keeps little beyond its windows", "/proc/self/smaps_rollup, all the way", played, r"^(own memory .*)$"),
        ("what is resident is bounded by the windows, and flat", "the same", played, r"^(windows: .*)$", r"^(resident: .*)$"),
        ("an empty canvas costs next to nothing", "stat(2)", never, r"^(empty canvas .*)$"),
        ("unwritten time costs next to nothing", "stat(2), against the payload", never, r"^(three pages .*)$"),
        ("a punch gives back", "stat(2)", never, r"^(a page punched.*)$"),
    ]:
        report.from_test(tests, label, group, claim, how, *patterns, skip=skip)


def latency(report, rounds, work):
    group = "Latency"
    command = f"bazel run -c opt //bench:latency_bench -- --rounds={rounds}"
    out = work / "latency.json"
    picture = work / "latency.svg"
    said = run(["bazel", "run", "-c", "opt", "//bench:latency_bench", "--", f"--rounds={rounds}", f"--json={out}", f"--picture={picture}"])
    if said is None or not out.exists():
        report.add(group, "reads against memcpy and the peers", "the latency bench", command, None)
        return
    data = json.loads(out.read_text())
    report.machine = data["machine"]
    for target in data["targets"]:
        report.add(group, target["what"], "interleaved in one process; target: " + target["target"], command, target["measured"], target["met"], MISSED)
    for row in data.get("tails", []):
        if row["who"] in ("floor", "canvas read"):
            report.add(group, f"single reads, {row['who']}", f"{row['reads']:,} timed one by one, 256 frames", command,
                       ", ".join(f"{k} {row[k]:.0f} ns" for k in ("p50", "p99", "p99.9", "p99.99")))
    for name in data.get("missing", []):
        report.skipped.append(("//bench:latency_bench", f"{name} is not installed, and left out"))
    if picture.exists():
        report.pictures.append((group, picture.read_text()))
    said = run(["bazel", "run", "-c", "opt", "//bench:sharing_bench", "--", "--rounds=11"])
    command = "bazel run -c opt //bench:sharing_bench"
    for name, claim in [("visibility", "a frame written here is read there soon"), ("appender", "an appender beside costs little"), ("readers", "sixteen readers on two cores")]:
        figure = first(rf"^  {name}\s+(.*)$", said)
        ratio, bound = re.search(r"([\d.]+) x", figure or ""), re.search(r"\(at (most|least) ([\d.]+)\)", figure or "")
        good = bool(ratio and bound) and (float(ratio[1]) <= float(bound[2]) if bound[1] == "most" else float(ratio[1]) >= float(bound[2]))
        report.add(group, claim, "between processes", command, figure, good, MISSED)


def not_here(report):
    """What is part of the proof and not of this report, unless it is the full one."""
    for config, targets in [("asan", ["//canvas/...", "//stress/...", "//tools/...", "//examples/...", "//fuzz/..."]), ("tsan", ["//canvas/...", "//stress/..."])]:
        extra = [f"--config={config}"] + (["--test_tag_filters=concurrent"] if config == "tsan" else [])
        command = " ".join(["bazel test", *extra, *targets])
        how = {"asan": "AddressSanitizer and UndefinedBehaviorSanitizer", "tsan": "ThreadSanitizer, concurrent tests"}[config]
        row = Row("Sanitizers", "nothing is found by " + how, "the tests again", command)
        row.figure = "did not run here; .ci/run and --full run it"
        if report.full:
            tests = Tests(targets, extra)
            row.status = SHOWN if tests.code == 0 else FAILED
            row.figure = f"{sum(r['passed'] for r in tests.results.values())} of {len(tests.results)} passed"
        report.rows.append(row)


CAMPAIGNS = [
    ("//stress:kill_stress", ["--kills=100000"], "100,000 kills", r"^(left over: .*)$"),
    ("//stress:chaos_stress", ["--seconds=1800"], "half an hour of chaos", r"^(\d+ processes, .*)$"),
    ("//stress:step_stress", ["--samples=1000", "--all=1"], "every instruction, all sizes", r"^(\d+ points, .*)$"),
    ("//stress:history_stress", ["--operations=1000000"], "a million operations", r"^(\d+ writes, .*)$"),
    ("//stress:realtime_stress", ["--reads=1000000000"], "10^9 guarded reads", r"^guard: (.*)$"),
    ("//stress:memory_stress", ["--minutes=45"], "45 minutes of sixteen lanes", r"^(own memory .*)$"),
]


def campaigns(report):
    for target, arguments, claim, pattern in CAMPAIGNS:
        command = ["bazel", "run", "-c", "opt", target, "--", *arguments]
        figure = first(pattern, run(command)) if report.full else None
        report.add("Campaigns", claim, "as the rig above, longer", " ".join(command), figure)
        if not report.full:
            report.rows[-1].figure = "did not run here; --full runs it"


STYLE = """
body { font: 15px/1.5 "DejaVu Sans", system-ui, sans-serif; color: #20262e; margin: 0 auto; max-width: 1240px; padding: 32px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 8px; }
p.machine { color: #6a727c; margin: 0 0 20px; }
.tally span { display: inline-block; border-radius: 5px; padding: 3px 12px; margin-right: 8px; font-weight: 600; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; } td, th { text-align: left; vertical-align: top; padding: 7px 10px; border-bottom: 1px solid #e4e7eb; overflow-wrap: anywhere; }
th { color: #6a727c; font-weight: 600; font-size: 13px; } td.figure { font-variant-numeric: tabular-nums; } code { font: 12px/1.5 "DejaVu Sans Mono", monospace; color: #454c55; }
.shown { background: #e0f1e4; color: #16662d; } .missed { background: #fdf0cf; color: #80580a; } .FAILED { background: #fbdcd5; color: #a1260b; } .absent { background: #eceef1; color: #5b636d; }
td.status { font-weight: 600; width: 90px; } figure { margin: 12px 0; overflow-x: auto; } figure svg { max-width: 100%; height: auto; }
"""


def page(report, svgs):
    out = ["<!doctype html><html lang=en><meta charset=utf-8><title>Canvas: the evidence</title>", f"<style>{STYLE}</style>"]
    out.append("<h1>Canvas: what it promises, and what was shown</h1>")
    commit = run(["git", "describe", "--always", "--dirty"]) or "no commit"
    out.append(f"<p class=machine>{html.escape(commit.strip())}, {datetime.datetime.now():%Y-%m-%d %H:%M}; {html.escape(report.machine)}</p>")
    counts = {s: sum(r.status == s for r in report.rows) for s in (SHOWN, MISSED, FAILED, ABSENT)}
    out.append("<p class=tally>" + "".join(f"<span class='{s if s != ABSENT else 'absent'}'>{counts[s]} {s}</span>" for s in counts) + "</p>")
    groups = list(dict.fromkeys(r.group for r in report.rows))
    for group in groups:
        out.append(f"<h2>{html.escape(group)}</h2>")
        out.extend(f"<figure>{svg}</figure>" for of, svg in svgs if of == group)
        out.append("<table><colgroup><col style='width:24%'><col style='width:20%'><col style='width:29%'><col style='width:18%'><col style='width:9%'></colgroup>"
                   "<tr><th>claim<th>how it was checked<th>figure<th>to repeat it<th></tr>")
        for row in report.rows:
            if row.group == group:
                css = row.status if row.status != ABSENT else "absent"
                out.append(f"<tr><td>{html.escape(row.claim)}<td>{html.escape(row.how)}<td class=figure>{html.escape(row.figure)}"
                           f"<td><code>{html.escape(row.command)}</code><td class='status {css}'>{row.status}</tr>")
        out.append("</table>")
    out.append("<h2>Skipped on this machine</h2>")
    if report.skipped:
        out.append("<table><tr><th>by<th>what, and why</tr>" + "".join(f"<tr><td><code>{html.escape(a)}</code><td>{html.escape(b)}</tr>" for a, b in dict.fromkeys(report.skipped)) + "</table>")
    else:
        out.append("<p>Nothing that ran skipped anything.</p>")
    return "\n".join(out) + "\n"


def in_text(report):
    for group in dict.fromkeys(r.group for r in report.rows):
        print(f"\n{group}")
        for row in report.rows:
            if row.group == group:
                print(f"  {row.status:<12}{row.claim}\n{'':14}{row.figure}\n{'':14}$ {row.command}")
    print("\nSkipped on this machine")
    for by, why in dict.fromkeys(report.skipped):
        print(f"  {by}: {why}")
    if not report.skipped:
        print("  nothing that ran skipped anything")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="campaign sizes, and the sanitizers: an hour and more")
    parser.add_argument("--out", default="build/evidence.html", help="where to write the report (default: %(default)s)")
    options = parser.parse_args()
    report = Report(options.full)
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        tests = Tests(["//..."], [])
        every_test(report, tests)
        realtime(report, tests)
        latency(report, 41 if options.full else 15, work)
        models(report, tests)
        rigs(report, tests)
        memory(report, tests)
        not_here(report)
        campaigns(report)
        svgs = []
        for group, picture in report.pictures:
            if isinstance(picture, list):
                panels, svg = work / "panels.json", work / "picture.svg"
                panels.write_text(json.dumps(picture))
                if run(["bazel", "run", "-c", "opt", "//bench:draw", "--", str(panels), str(svg)]) is None:
                    continue
                picture = svg.read_text()
            # Glyphs are named alike in every drawing: each gets names of its own.
            n = len(svgs)
            picture = re.sub(r'(id="|href="#|url\(#)', rf"\1p{n}-", picture[picture.index("<svg"):])
            svgs.append((group, picture))
        out = ROOT / options.out
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page(report, svgs))
    in_text(report)
    failed = [r for r in report.rows if r.status == FAILED]
    print(f"\n{len(report.rows)} claims: {sum(r.status == SHOWN for r in report.rows)} shown, "
          f"{sum(r.status == MISSED for r in report.rows)} targets missed, {len(failed)} FAILED, {sum(r.status == ABSENT for r in report.rows)} did not run; {out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
