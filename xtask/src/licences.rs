//! The licences of all that is compiled into the page: who hosts the page passes that code on, and with it must go these.

use crate::{paths, process, wasm};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The file in the built page; it is downloaded only by those who open it.
pub const FILE: &str = "licenses.txt";

const HEAD: &str = "\
The page's two programs, app_bg.wasm and worker_bg.wasm, contain this project, the packages listed here, and the
standard library of Rust (by the Rust Project's contributors, MIT OR Apache-2.0). The source of each package is at
https://crates.io/crates/NAME/VERSION. The licence texts follow the list, equal ones once, under the names of all to
which they belong. Where a package has no text of its own, that of its licence stands there under other names.

";

/// How the files begin that hold a package's licences and notices, in upper case.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// A part of the page.
struct Part {
    /// With the version.
    name: String,
    /// As in Cargo.toml, `MIT OR Apache-2.0`.
    licence: String,
    texts: Vec<String>,
}

/// Writes [`FILE`] into a built page.
pub fn write(site: &Path) -> Result<()> {
    let own = Part {
        name: concat!("this project ", env!("CARGO_PKG_VERSION")).into(),
        licence: env!("CARGO_PKG_LICENSE").into(),
        texts: texts(&paths::root())?,
    };
    let mut parts = vec![own];
    let registries = registries()?;
    for Package { name, version, licence } in packages(&tree()?)? {
        let name = format!("{name} {version}");
        let texts = texts(&source(&registries, &name)?)?;
        parts.push(Part { name, licence, texts });
    }
    let file = site.join(FILE);
    fs::write(&file, render(&parts)).with_context(|| format!("cannot write {}", file.display()))
}

/// The packages that are compiled into the page: a line for each, often several times.
fn tree() -> Result<String> {
    let mut tree = process::cargo();
    // `cargo metadata` would also name what other parts of the workspace enable for the same packages, such as CUDA.
    tree.args(["tree", "--package", "web", "--target", wasm::TARGET, "--features", "app,worker"]);
    tree.args(["--edges", "normal,no-proc-macro", "--no-dedupe", "--prefix", "none", "--format", "{p}\t{l}"]);
    let output = tree.current_dir(paths::root()).stderr(Stdio::inherit()).output();
    let output = output.context("could not start cargo")?;
    ensure!(output.status.success(), "cargo tree failed ({}): {FILE} needs its list", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// A package that is not ours.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
}

/// Parses lines `NAME vVERSION<tab>LICENCE`; in those of our own packages a folder follows the version.
fn packages(tree: &str) -> Result<BTreeSet<Package>> {
    let mut packages = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (package, licence) =
            line.split_once('\t').with_context(|| format!("cargo tree wrote `{line}`"))?;
        let mut words = package.splitn(3, ' ');
        let (name, version) =
            words.next().zip(words.next()).with_context(|| format!("no version: {line}"))?;
        let folder = words.next().and_then(|place| place.strip_prefix('(')?.strip_suffix(')'));
        if folder.is_some_and(|folder| Path::new(folder).is_absolute()) {
            continue;
        }
        let version = version.trim_start_matches('v').to_string();
        packages.insert(Package { name: name.into(), version, licence: licence.into() });
    }
    Ok(packages)
}

/// The folders in which cargo keeps the sources of packages, one for each registry.
fn registries() -> Result<Vec<PathBuf>> {
    let folder = paths::cargo_home().join("registry/src");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The folder with the source of a package, `NAME VERSION`.
fn source(registries: &[PathBuf], package: &str) -> Result<PathBuf> {
    let folder = package.replace(' ', "-");
    let mut found = registries.iter().map(|registry| registry.join(&folder)).filter(|source| source.is_dir());
    found.next().with_context(|| {
        format!(
            "the source of {package} is not where cargo unpacks it, and so neither is its licence for {FILE}"
        )
    })
}

/// The texts of the licences and notices in a package's folder.
fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if NAMES.iter().any(|start| name.starts_with(start)) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    let read = |file: &PathBuf| {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.iter().map(read).collect()
}

/// The list of the parts, then their texts: those of equal words once, under the names of all that have it.
fn render(parts: &[Part]) -> String {
    let mut list = String::new();
    let mut texts: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut known = HashMap::new();
    for Part { name, licence, texts: own } in parts {
        let none = if own.is_empty() { " (no text of its own)" } else { "" };
        list += &format!("{name}: {licence}{none}\n");
        for text in own {
            let words: Vec<&str> = text.split_whitespace().collect();
            let at = *known.entry(words).or_insert(texts.len());
            if at == texts.len() {
                texts.push((text, Vec::new()));
            }
            let owners = &mut texts[at].1;
            if !owners.contains(&name.as_str()) {
                owners.push(name);
            }
        }
    }
    let rule = "-".repeat(80);
    let section = |(text, owners): (&str, Vec<&str>)| {
        let text = text.trim_start_matches(['\u{feff}', '\n']).trim_end();
        format!("\n{rule}\n{}\n\n{text}\n", owners.join(", "))
    };
    HEAD.to_string() + &list + &texts.into_iter().map(section).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_others_are_listed_once_and_in_order() -> Result<()> {
        let own = std::env::temp_dir().join("own project");
        let tree = format!(
            "web v0.1.0 ({own})\tMIT\nb v2.0.0\tMIT OR Apache-2.0\na v1.2.1+spec-1\tZlib\n\nb v2.0.0\tMIT OR Apache-2.0\n\
             b v1.0.0\tMIT\nc v1.0.0 (registry `x`)\tISC\n",
            own = own.display()
        );
        let found = packages(&tree)?;
        let shown: Vec<String> =
            found.iter().map(|each| format!("{} {}: {}", each.name, each.version, each.licence)).collect();
        assert_eq!(
            shown,
            ["a 1.2.1+spec-1: Zlib", "b 1.0.0: MIT", "b 2.0.0: MIT OR Apache-2.0", "c 1.0.0: ISC"]
        );
        assert!(packages("error").is_err());
        Ok(())
    }

    #[test]
    fn each_text_stands_once_under_all_that_have_it() {
        let part = |name: &str, texts: &[&str]| Part {
            name: name.into(),
            licence: "MIT".into(),
            texts: texts.iter().map(|text| text.to_string()).collect(),
        };
        let text = render(&[
            part("a 1", &["  Do what\nyou like.\n", "By A."]),
            part("b 2", &[]),
            part("c 3", &["Do what you\n\nlike."]),
        ]);
        let (list, texts) = text.split_once("\n---").unwrap();
        assert!(list.ends_with("\n\na 1: MIT\nb 2: MIT (no text of its own)\nc 3: MIT\n"), "{list}");
        assert!(texts.contains("-\na 1, c 3\n\n  Do what\nyou like.\n\n-"), "{texts}");
        assert!(texts.ends_with("-\na 1\n\nBy A.\n") && !texts.contains("b 2"), "{texts}");
    }

    #[test]
    fn licences_and_notices_are_read_and_nothing_else() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("rbc-licences-{}", std::process::id()));
        let source = folder.join("registry/a-1.0.0");
        fs::create_dir_all(source.join("LICENSES"))?;
        for (name, text) in
            [("NOTICE", "n"), ("license.md", "l\r\nl"), ("README.md", "r"), ("LICENSE-MIT", "m")]
        {
            fs::write(source.join(name), text)?;
        }
        let registries = [folder.join("none"), folder.join("registry")];
        let found = super::source(&registries, "a 1.0.0").and_then(|source| texts(&source));
        let missing = super::source(&registries, "a 2.0.0");
        fs::remove_dir_all(&folder)?;
        assert_eq!(found?, ["m", "n", "l\nl"]);
        assert!(missing.is_err_and(|error| error.to_string().contains("a 2.0.0")));
        Ok(())
    }
}
