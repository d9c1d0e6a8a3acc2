//! `cargo xtask test`: all checks that must pass before a change is merged.

use crate::browser::Engine;
use crate::page::Profile;
use crate::wasm::Toolchain;
use crate::{page, paths, process, tools};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Packages and features, the same for programs and tests so that nothing is compiled twice. Without `cuda` and `wgpu`,
/// which take minutes to compile and are useless on a machine without a GPU; the lints check that they compile.
pub(crate) const NATIVE: [&str; 10] = [
    "--release",
    "--no-default-features",
    "-p",
    "rbc-model",
    "-p",
    "trainer",
    "-p",
    "xtask",
    "-p",
    "rbc-tests",
];
/// The same for the browser. Both packages are always named: alone, each would get dependencies with other features.
const WASM: [&str; 8] = [
    "--release",
    "--target=wasm32-unknown-unknown",
    "-p",
    "web",
    "-p",
    "rbc-model",
    "--no-default-features",
    "--features=web/app,web/worker,rbc-model/webgpu",
];
/// The test files that run in a browser, from `web/tests` and `model/tests`.
const WASM_TESTS: [&str; 5] =
    ["--test=environment", "--test=logic", "--test=messages", "--test=strokes", "--test=browser"];
/// The tests that run all kernels, and the one that checks which vector instructions are used.
const KERNEL_TESTS: [&str; 5] = ["--lib", "--test", "backend", "--test", "gradients"];
/// The tests that open the page in Firefox and WebKit too: what a user does, and what differs most between browsers.
/// `RBC_BROWSER=firefox cargo test …` opens it there in any other test; some need Chromium and fail.
const ELSEWHERE: [&str; 10] = [
    "--test=page",
    "--test=page_correct",
    "--test=page_offline",
    "--test=page_out",
    "--test=page_view",
    "--",
    "--skip=on_webgpu",
    // With commands that only Chromium's driver has.
    "--skip=neither_a_pinch_nor_a_late_answer_corrects_anything",
    "--skip=cells_left_out_quickly_stay_left_out",
    "--skip=what_waits_or_is_being_packed_can_be_cancelled",
];
/// WebKit's driver has no touch input, and in its window the context menu does not stay open.
const NOT_IN_WEBKIT: [&str; 3] = [
    "--skip=cells_are_hovered_left_out_and_taken_in",
    "--skip=under_fingers_a_tap_tells_and_a_pinch_measures_nothing",
    "--skip=zoom_and_pan_by_wheel_keys_and_fingers",
];
/// Time limit for a file of wasm tests; WebGPU computed by a CPU is slow.
const WASM_SECONDS: &str = "900";

/// Numbers of tests that passed, failed and were ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

struct Outcome {
    step: &'static str,
    error: Option<anyhow::Error>,
    counts: Counts,
    took: Duration,
}

/// Runs every check, even after one has failed, and prints a summary. `trunk` is as in [`page::build`].
pub fn run(trunk: Option<&Path>) -> Result<()> {
    let start = Instant::now();
    let browser = Engine::Chromium.ensure()?;
    let toolchain = Toolchain::ensure()?;
    let bindgen = tools::wasm_bindgen()?;
    let settings = browser.write_runner_settings()?;
    let mut skipped = skipped();

    let mut outcomes = Vec::new();
    let mut step = |name: &'static str, work: &mut dyn FnMut() -> Result<Counts>| {
        println!("\n== {name}");
        let start = Instant::now();
        let (counts, error) = match work() {
            Ok(counts) if counts.failed == 0 => (counts, None),
            Ok(counts) => (counts, Some(anyhow::anyhow!("{} tests failed", counts.failed))),
            Err(error) => (Counts::default(), Some(error)),
        };
        if let Some(error) = &error {
            println!("{name}: {error:#}");
        }
        outcomes.push(Outcome { step: name, error, counts, took: start.elapsed() });
    };
    let plain = |command: &mut Command| process::run(command).map(|()| Counts::default());

    step("format", &mut || plain(process::cargo().args(["fmt", "--all", "--check"])));
    step("lints", &mut || {
        let mut clippy = process::cargo();
        clippy.args(["clippy", "--release", "--workspace", "--exclude", "web", "--all-targets"]);
        clippy.args(["--features", "trainer/wgpu"]);
        plain(clippy.args(["--", "-D", "warnings"]))
    });
    step("lints of the page", &mut || {
        let mut clippy = toolchain.command("cargo", &[])?;
        plain(
            clippy
                .arg("clippy")
                .args(WASM)
                .args(["--lib", "--bins"])
                .args(WASM_TESTS)
                .args(["--", "-D", "warnings"]),
        )
    });
    if process::output(process::cargo().args(["deny", "--version"])).is_some() {
        step("licences", &mut || {
            let mut deny = process::cargo();
            // Without the advisories: their database must be downloaded, and a new one says nothing about a change.
            deny.args(["deny", "check", "bans", "licenses", "sources"]);
            plain(deny.current_dir(paths::root()))
        });
    } else {
        skipped.push(
            "licences and sources of all dependencies: cargo-deny is not installed (cargo install cargo-deny)"
                .into(),
        );
    }
    step("build", &mut || plain(process::cargo().arg("build").args(NATIVE)));
    step("build of the page", &mut || {
        // If this fails, the tests must not find the page of another day.
        let _ = std::fs::remove_dir_all(paths::site());
        page::build(Profile::Release, trunk, &paths::site()).map(|()| Counts::default())
    });
    step("tests in the browser", &mut || {
        let mut test = toolchain.command("cargo", std::slice::from_ref(&bindgen))?;
        test.arg("test").args(WASM).args(WASM_TESTS).arg("--no-fail-fast");
        // Found on `PATH`: cargo would split a path at its spaces.
        test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner");
        test.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &settings);
        test.env("WASM_BINDGEN_TEST_TIMEOUT", WASM_SECONDS).env("CHROMEDRIVER", &browser.driver);
        // It would take these first.
        for other in ["GECKODRIVER", "GECKODRIVER_REMOTE", "CHROMEDRIVER_REMOTE"] {
            test.env_remove(other);
        }
        counted(&mut test)
    });
    step("tests", &mut || counted(&mut native_tests()));
    step("tests of the kernels without the widest vectors", &mut || {
        let mut counts = Counts::default();
        for set in ["avx2", "none"] {
            let mut test = process::cargo();
            test.arg("test").args(NATIVE).args(KERNEL_TESTS).env("RBC_SIMD", set);
            counts.add(counted(&mut test)?);
        }
        Ok(counts)
    });
    let others: [(_, _, &[&str]); 2] =
        [(Engine::Firefox, "page in Firefox", &[]), (Engine::WebKit, "page in WebKit", &NOT_IN_WEBKIT)];
    for (engine, name, without) in others {
        if let Err(error) = engine.ensure() {
            skipped.push(format!("{name}: {error:#}"));
            continue;
        }
        step(name, &mut || {
            let mut test = native_tests();
            test.args(ELSEWHERE).args(without).env("RBC_BROWSER", engine.name());
            let counts = counted(&mut test)?;
            if counts.failed == 0 || engine != Engine::WebKit {
                return Ok(counts);
            }
            // WebKitGTK 2.50 itself crashed in one of some 150 windows.
            println!("{name}: {} tests failed; once more, in case WebKit crashed", counts.failed);
            counted(&mut test)
        });
    }
    sum_up(&outcomes, &skipped, start.elapsed())
}

/// The command for all native tests, on real images where they are at hand.
fn native_tests() -> Command {
    let mut test = process::cargo();
    test.arg("test").args(NATIVE).arg("--no-fail-fast").env_remove("RBC_BROWSER");
    if let Some(folder) = paths::real_images() {
        test.env("RBC_DATA", folder);
    }
    test
}

/// What the tests leave out on this machine, and why: a test that finds nothing to work on counts as passed.
fn skipped() -> Vec<String> {
    let mut skipped = Vec::new();
    if paths::real_images().is_none() {
        skipped.push(
            "masks and counts of real smears: RBC_DATA does not name their folder (docs/DATA.md)".into(),
        );
    }
    if tools::axe().is_none() {
        skipped.push("accessibility of the page: axe-core could not be installed, see above".into());
    }
    skipped
}

/// Runs a test command, shows its output, and adds up the test counts in it.
fn counted(command: &mut Command) -> Result<Counts> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("could not start cargo")?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        let mut screen = std::io::stdout();
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            screen.write_all(&line).and_then(|()| screen.write_all(b"\n"))?;
            if let Some(found) = summary(&String::from_utf8_lossy(&line)) {
                counts.add(found);
            }
        }
    }
    let status = child.wait()?;
    match status.success() || counts.failed > 0 {
        true => Ok(counts),
        false => bail!("cargo test failed ({status})"),
    }
}

/// Parses `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn summary(line: &str) -> Option<Counts> {
    let (_, rest) = line.split_once("test result: ")?;
    let number = |what: &str| -> Option<usize> {
        let (before, _) = rest.split_once(what)?;
        before.trim_end().rsplit(' ').next()?.parse().ok()
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, ignored: number("ignored")? })
}

fn sum_up(outcomes: &[Outcome], skipped: &[String], took: Duration) -> Result<()> {
    println!();
    let mut all = Counts::default();
    for Outcome { step, error, counts, took } in outcomes {
        all.add(*counts);
        let verdict = if error.is_some() { "FAILED" } else { "ok" };
        let tests = match counts.passed + counts.failed {
            0 => String::new(),
            _ => format!("{} passed, {} failed, {} ignored", counts.passed, counts.failed, counts.ignored),
        };
        println!("{step:<22} {verdict:<7} {:>6.1} s  {tests}", took.as_secs_f64());
    }
    for what in skipped {
        println!("skipped: {what}");
    }
    let broken = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    let verdict = if broken == 0 { "ok" } else { "FAILED" };
    println!(
        "\nall checks: {verdict}. {} tests passed; {} failed; {} ignored; {broken} steps failed; {:.0} s",
        all.passed,
        all.failed,
        all.ignored,
        took.as_secs_f64()
    );
    match broken {
        0 => Ok(()),
        _ => bail!("{broken} of {} steps failed; each says above what is wrong", outcomes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_the_test_runners_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.1s";
        assert_eq!(summary(line), Some(Counts { passed: 12, failed: 3, ignored: 1 }));
        assert_eq!(summary("test tests::summary ... ok"), None);
    }

    #[test]
    fn one_failed_step_fails_the_whole() {
        let outcome = |error: Option<anyhow::Error>| Outcome {
            step: "x",
            error,
            counts: Counts::default(),
            took: Duration::ZERO,
        };
        assert!(sum_up(&[outcome(None)], &["y".into()], Duration::ZERO).is_ok());
        assert!(sum_up(&[outcome(None), outcome(Some(anyhow::anyhow!("y")))], &[], Duration::ZERO).is_err());
    }
}
