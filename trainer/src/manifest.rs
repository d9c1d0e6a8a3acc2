//! `manifest.csv`: the smear that each image was cut from, and the width of its unlabelled border.

use crate::data_files::Part;
use crate::files::{self, file_name, is_image, stem};
use crate::problem::Problem;
use crate::say::{join_first, plural};
use anyhow::{Result, bail};
use csv::StringRecord;
use std::collections::BTreeMap;
use std::path::Path;

/// One line. Other columns are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the image without extension, as in the data set.
    pub name: String,
    /// `train` or `test`, if given: by the column `split`, or by a folder in `name`.
    pub split: Option<String>,
    /// `source_file` without extension, by which whole fields are found. The folder is kept if there is one, since
    /// slides of two patients may have the same name.
    pub source: Option<String>,
    /// `unlabelled_margin_px`.
    pub margin: u32,
}

#[derive(Debug, Default)]
pub struct Manifest {
    rows: BTreeMap<String, Vec<Row>>,
    /// Oddities in lines that can be read.
    pub warnings: Vec<String>,
    /// Lines that can't be read, so that the smear of their images is unknown.
    pub errors: Vec<String>,
}

/// The positions of the columns.
struct Columns {
    name: usize,
    split: Option<usize>,
    source: Option<usize>,
    margin: Option<usize>,
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self> {
        let column = |wanted: &str| header.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let Some(name) = column("name") else { bail!("the manifest has no column `name`") };
        let (split, source) = (column("split"), column("source_file"));
        Ok(Self { name, split, source, margin: column("unlabelled_margin_px") })
    }

    /// Reads a line; the error says what is wrong with it.
    fn row(&self, record: &StringRecord) -> Result<Row, String> {
        on_one_line(record)?;
        let line = line(record);
        let field = |column: usize| record.get(column).filter(|value| !value.is_empty());
        let Some(name) = field(self.name).map(with_slashes) else {
            return Err(format!("line {line} has no name: add one or delete the line"));
        };
        let Some(margin) = self.margin.and_then(field).map_or(Some(0), whole_number) else {
            return Err(format!(
                "line {line}: unlabelled_margin_px is not a whole number of pixels; correct it or leave it empty"
            ));
        };
        Ok(Row {
            name: stem_of_image(&name),
            split: self.split.and_then(field).map(str::to_lowercase).or_else(|| split_by_folder(&name)),
            source: self.source.and_then(field).map(source_name),
            margin,
        })
    }

    /// A warning if images have no `source_file`; `sourceless` are the names of those.
    fn doubt(&self, sourceless: &[String]) -> Option<String> {
        if self.source.is_none() {
            return Some(
                "no column `source_file`, so each image counts as a source of its own; add it if several come from \
                 one smear"
                    .into(),
            );
        }
        (!sourceless.is_empty()).then(|| {
            format!(
                "{} no source_file, so these images count as sources of their own ({})",
                plural(sourceless.len(), "line has", "lines have"),
                join_first(sourceless)
            )
        })
    }
}

impl Manifest {
    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// If it can't be read, is not UTF-8, or has no column `name`.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(path)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::new(path, "the file is not UTF-8 text, save it as CSV UTF-8"))?;
        Ok(Some(Self::parse(&text).map_err(|error| Problem::new(path, format!("{error:#}")))?))
    }

    fn parse(text: &str) -> Result<Self> {
        // Spreadsheets often put a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = &numbered(text);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator(text))
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        let header = reader.headers()?;
        on_one_line(header).map_err(anyhow::Error::msg)?;
        let columns = Columns::of(header)?;
        let mut manifest = Self::default();
        let mut sourceless = Vec::new();
        for record in reader.records() {
            let record = record?;
            // Spreadsheets leave empty lines at the end.
            if !record.iter().all(str::is_empty) {
                manifest.add(&columns, &record, &mut sourceless);
            }
        }
        manifest.warnings.extend(columns.doubt(&sourceless));
        Ok(manifest)
    }

    /// Adds a line, or the error in it. `sourceless` collects the names in lines whose `source_file` is empty.
    fn add(&mut self, columns: &Columns, record: &StringRecord, sourceless: &mut Vec<String>) {
        let row = match columns.row(record) {
            Ok(row) => row,
            Err(what) => return self.errors.push(what),
        };
        if row.source.is_none() {
            sourceless.extend(record.get(columns.name).map(String::from));
        }
        let rows = self.rows.entry(row.name.clone()).or_default();
        if rows.iter().any(|first| first.split == row.split && *first != row) {
            let what = format!(
                "line {} contradicts an earlier line for {}; the earlier one is used",
                line(record),
                row.name
            );
            self.warnings.push(what);
        }
        rows.push(row);
    }

    /// The line for an image; if train and test both have one of that name, the one for its part.
    pub fn find(&self, name: &str, part: Part) -> Option<&Row> {
        let rows = self.rows.get(name)?;
        rows.iter()
            .find(|row| row.split.as_deref() == Some(part.name()))
            .or_else(|| rows.iter().find(|row| row.split.is_none() || part == Part::Unsplit))
            // If there is only one line, it is meant whatever its split.
            .or_else(|| rows.first().filter(|_| rows.len() == 1))
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten()
    }
}

/// Number of the line on which a record begins, from 1.
fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, |position| position.line())
}

/// The text in a form whose lines the CSV reader numbers correctly: it counts line feeds only, and leaves out empty lines
/// unless there is something in them, be it a space.
fn numbered(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let table = text.trim_start_matches('\n');
    let before = &text[..text.len() - table.len()];
    let lines: Vec<&str> = table.split('\n').map(|line| if line.is_empty() { " " } else { line }).collect();
    format!("{before}{}", lines.join("\n"))
}

/// Refuses a record that a quote extends over several lines: those that it swallows would be lost silently.
fn on_one_line(record: &StringRecord) -> Result<(), String> {
    if record.iter().any(|field| field.contains('\n')) {
        let line = line(record);
        return Err(format!(
            "line {line}: a quoted field runs over several lines, look for an unclosed quote"
        ));
    }
    Ok(())
}

/// A whole number, also as spreadsheets write it: `110`, `110.0`.
fn whole_number(text: &str) -> Option<u32> {
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && (0.0..1e9).contains(&number)).then_some(number as u32)
}

/// The column separator: spreadsheets of many countries write semicolons, and copied tables have tabs.
fn separator(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let plain = |name: &str| name.trim().trim_matches('"').trim().to_lowercase();
    let parts = |separator: &&u8| header.split(char::from(**separator)).any(|name| plain(name) == "name");
    *b",;\t".iter().find(parts).unwrap_or(&b',')
}

/// The path as it is written everywhere but on Windows.
fn with_slashes(path: &str) -> String {
    path.replace('\\', "/")
}

/// The split that a folder of the path stands for, directly above the file or above its `images`: `test` for
/// `test/images/a.png`.
fn split_by_folder(path: &str) -> Option<String> {
    let (folders, _) = path.rsplit_once('/')?;
    let mut above = folders.rsplit('/').map(str::to_lowercase).skip_while(|folder| folder == "images");
    above.next().filter(|folder| [Part::Train.name(), Part::Test.name()].contains(&folder.as_str()))
}

/// The name without an image extension; `smear.10x` has none.
fn stem_of_image(name: &str) -> String {
    let path = Path::new(name);
    if is_image(path) { stem(path) } else { file_name(path) }
}

/// The source of a `source_file`: `patient/slide` for `patient\slide.tif`.
fn source_name(path: &str) -> String {
    let path = with_slashes(path);
    let path = path.trim_start_matches("./").trim_end_matches('/');
    match path.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/{}", stem_of_image(file)),
        None => stem_of_image(path),
    }
}

/// Whether two sources may be one, written with more folders here than there: `slide` and `p1/slide`, but not `p1/slide`
/// and `p2/slide`.
pub fn may_be_same(a: &str, b: &str) -> bool {
    let ends_with = |long: &str, short| {
        long.strip_suffix(short).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    ends_with(a, b) || ends_with(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_one_name_in_two_folders_are_two() -> Result<()> {
        let text =
            "name,source_file\np1/a.png,p1/slide.tif\nb.png,p2\\slide.tif\nc.png,./slide.10x\nd.png,p3/\n";
        let manifest = Manifest::parse(text)?;
        let source = |name| manifest.find(name, Part::Train).and_then(|row| row.source.as_deref());
        let found = ["a", "b", "c", "d"].map(source);
        assert_eq!(found, [Some("p1/slide"), Some("p2/slide"), Some("slide.10x"), Some("p3")]);
        let same = |b| may_be_same("p1/slide", b);
        let told = ["p1/slide", "slide", "set/p1/slide", "p2/slide", "lide", "p1"].map(same);
        assert_eq!(told, [true, true, true, false, false, false]);
        Ok(())
    }

    #[test]
    fn names_lose_their_extension_and_splits_tell_them_apart() -> Result<()> {
        let text = "\u{feff}split,Name,source_file,other\ntrain,a.png,f1.jpg,1\ntest,a.png,f2.jpg,2\n,b.10x,,\nval,d,f3,\n";
        let manifest = Manifest::parse(text)?;
        let source = |name, part| manifest.find(name, part).and_then(|row| row.source.as_deref());
        assert_eq!(source("a", Part::Train), Some("f1"));
        assert_eq!(source("a", Part::Test), Some("f2"));
        assert_eq!(source("b.10x", Part::Test), None);
        assert!(manifest.find("b.10x", Part::Test).is_some());
        assert_eq!(source("d", Part::Train), Some("f3"));
        assert!(manifest.find("c", Part::Test).is_none());
        Ok(())
    }

    #[test]
    fn folders_of_a_name_tell_its_split() -> Result<()> {
        let text =
            "name,source_file\ntrain/images/a.png,s1\nC:\\set\\Test\\images\\a.png,s2\nimages\\b.png,s3\n";
        let manifest = Manifest::parse(text)?;
        let row =
            |name, part| manifest.find(name, part).map(|row| (row.source.as_deref(), row.split.as_deref()));
        assert_eq!(row("a", Part::Train), Some((Some("s1"), Some("train"))));
        assert_eq!(row("a", Part::Test), Some((Some("s2"), Some("test"))));
        assert_eq!(row("b", Part::Test), Some((Some("s3"), None)));
        assert!(manifest.warnings.is_empty(), "{:?}", manifest.warnings);
        // The column takes precedence; of several folders, the one nearest to the file.
        let manifest = Manifest::parse("name,split\ntrain/a.png,test\ntest/train/b.png,\ntrain.png,\n")?;
        let split = |name| manifest.find(name, Part::Unsplit).and_then(|row| row.split.as_deref());
        assert_eq!(["a", "b", "train"].map(split), [Some("test"), Some("train"), None]);
        Ok(())
    }

    #[test]
    fn an_unclosed_quote_is_an_error() -> Result<()> {
        let told = "a quoted field runs over several lines, look for an unclosed quote";
        for text in [
            "name,source_file\na.png,s\nb.png,\"s\nc.png,t\nd.png,t\n",
            "name,source_file\r\na.png,s\r\n\"b.png,s\r\nc.png,t\r\n",
            "name,source_file,notes\na.png,s,\nb.png,s,\"torn\nc.png,t,\nd.png,t,\"faint\n",
        ] {
            let manifest = Manifest::parse(text)?;
            assert_eq!(manifest.errors, [format!("line 3: {told}")], "{text}");
            assert!(manifest.find("a", Part::Train).is_some());
        }
        let header = Manifest::parse("name,\"source_file\na.png,s\n");
        assert!(header.is_err_and(|error| error.to_string() == format!("line 1: {told}")));
        // Quotes that are closed are none of these.
        let manifest = Manifest::parse("name,source_file\n\"a.png\",\"s, 1\"\n")?;
        assert!(manifest.errors.is_empty());
        Ok(())
    }

    #[test]
    fn semicolons_and_tabs_part_columns_too() -> Result<()> {
        for text in
            ["name;source_file\na.png;f, 1.jpg\n", "\u{feff}\"Source_file\"\t\"Name\"\n\"f, 1.jpg\"\ta.png\n"]
        {
            let manifest = Manifest::parse(text)?;
            let source = manifest.find("a", Part::Train).and_then(|row| row.source.as_deref());
            assert_eq!((source, manifest.warnings.len()), (Some("f, 1"), 0), "{text}");
        }
        Ok(())
    }

    #[test]
    fn sources_that_are_missing_or_in_doubt_are_warned_of() -> Result<()> {
        let warnings = |text| Manifest::parse(text).map(|manifest| manifest.warnings);
        assert!(warnings("name,split\na,train\n")?[0].contains("`source_file`"));
        let twice = warnings("name,source_file\na.png,s\nb.png,s\na.png,t\nb.png,s\n")?;
        assert!(
            twice.len() == 1 && twice[0].contains("line 4 contradicts an earlier line for a;"),
            "{twice:?}"
        );
        assert!(warnings("name,split,source_file\na,train,s\na,test,t\n")?.is_empty());
        let empty = warnings("name,source_file\na.png,s\nb.png,\nc.png\n,\n")?;
        assert!(empty.len() == 1 && empty[0].ends_with("(b.png, c.png)"), "{empty:?}");
        Ok(())
    }

    #[test]
    fn other_encodings_are_told_how_to_be_saved() -> Result<()> {
        let folder = crate::fixture::Folder::new("encoding")?;
        let path = folder.file("manifest.csv", b"name,source_file\na,Pr\xe4parat\n")?;
        let refused = Manifest::read(&path);
        assert!(
            refused
                .is_err_and(|error| error.to_string().starts_with("the file is not UTF-8 text, save it as"))
        );
        Ok(())
    }

    #[test]
    fn bad_lines_are_all_named_and_the_others_read() -> Result<()> {
        let manifest = Manifest::parse("name,unlabelled_margin_px\na,110.0\nb,wide\n,7\nc,-1\nd,\n,\n")?;
        let lines = ["line 3: ", "line 4 has no name", "line 5: "];
        assert!(
            manifest.errors.iter().zip(lines).all(|(told, line)| told.starts_with(line)),
            "{:?}",
            manifest.errors
        );
        assert_eq!(manifest.errors.len(), 3);
        let margin = |name| manifest.find(name, Part::Train).map(|row| row.margin);
        assert_eq!(["a", "b", "d"].map(margin), [Some(110), None, Some(0)]);
        // Empty lines count as lines.
        let manifest = Manifest::parse("\r\n\r\nname,unlabelled_margin_px\r\n\r\n\r\na,1\r\n\r\nb,wide\r\n")?;
        assert!(
            manifest.errors.len() == 1 && manifest.errors[0].starts_with("line 8: "),
            "{:?}",
            manifest.errors
        );
        assert!(Manifest::parse("title\na\n").is_err_and(|error| error.to_string().contains("`name`")));
        Ok(())
    }
}
