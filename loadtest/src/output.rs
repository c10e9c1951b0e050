//! Where results go: the table to the standard output, files where flags name them. `-` as a file is the standard
//! output; the table then goes to the standard error.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::args::ResultArgs;
use crate::error::LoadError;

/// The file that is no file.
const STANDARD_OUTPUT: &str = "-";

/// What a result is written to.
#[derive(Debug)]
pub struct Output<'a> {
    to: &'a ResultArgs,
    /// The standard output is taken by a file's content.
    taken: bool,
}

impl<'a> Output<'a> {
    /// Looks whether the files can be written, before an hour is spent on what would be in them.
    ///
    /// # Errors
    /// [`LoadError::Output`] if not, [`LoadError::Flags`] if two of them are the standard output.
    pub fn find(to: &'a ResultArgs) -> Result<Self, LoadError> {
        let files = || to.json.iter().chain(&to.html);
        for path in files().filter(|path| !is_standard(path)) {
            can_be_written(path).map_err(|source| fail(path, source))?;
        }
        match files().filter(|path| is_standard(path)).count() {
            2 => Err(LoadError::Flags("--json and --html cannot both be the standard output".to_owned())),
            taken => Ok(Self { to, taken: taken > 0 }),
        }
    }

    /// Writes the files that are wished.
    ///
    /// # Errors
    /// [`LoadError::Output`].
    pub fn write(&self, found: &impl Serialize, page: impl FnOnce() -> String) -> Result<(), LoadError> {
        if let Some(path) = &self.to.json {
            let mut text = serde_json::to_string_pretty(found).map_err(|error| fail(path, error.into()))?;
            text.push('\n');
            put(path, &text)?;
        }
        match &self.to.html {
            Some(path) => put(path, &page()),
            None => Ok(()),
        }
    }

    /// Prints what people read.
    ///
    /// # Errors
    /// [`LoadError::Output`].
    pub fn print(&self, text: &str) -> Result<(), LoadError> {
        if !self.taken {
            return print(text);
        }
        // As everywhere, an error of the standard error has no place where it could be told.
        let _ = io::stderr().write_all(text.as_bytes());
        Ok(())
    }
}

/// Writes to the standard output. A reader that has seen enough, such as `head`, is no failure.
///
/// # Errors
/// [`LoadError::Output`].
pub fn print(text: &str) -> Result<(), LoadError> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(fail(Path::new("the standard output"), error)),
        _ => Ok(()),
    }
}

fn put(path: &Path, text: &str) -> Result<(), LoadError> {
    if is_standard(path) { print(text) } else { fs::write(path, text).map_err(|source| fail(path, source)) }
}

fn is_standard(path: &Path) -> bool {
    path == Path::new(STANDARD_OUTPUT)
}

/// A file that is there takes writing; one that is not has a folder.
fn can_be_written(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            if fs::metadata(folder)?.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
        }
        opened => opened.map(drop),
    }
}

fn fail(path: &Path, source: io::Error) -> LoadError {
    LoadError::Output { to: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn args(json: &str, html: &str) -> ResultArgs {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        ResultArgs { json: path(json), html: path(html), quiet: true }
    }

    #[test]
    fn files_are_looked_at_before_and_written_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for bad in [file("none/a.json"), file(""), "/dev/null/a.json".to_owned()] {
            assert!(matches!(Output::find(&args(&bad, "")), Err(LoadError::Output { .. })), "{bad}");
        }
        assert!(matches!(Output::find(&args("-", "-")), Err(LoadError::Flags(_))));
        let args = args(&file("a.json"), "");
        let output = Output::find(&args).unwrap();
        assert!(!Path::new(&file("a.json")).exists(), "only looked at");
        output.write(&[1], || unreachable!("no page is wished")).unwrap();
        assert_eq!(fs::read_to_string(file("a.json")).unwrap(), "[\n  1\n]\n");
    }

    #[test]
    fn names_without_a_folder_lie_here() {
        assert!(can_be_written(Path::new("no-such-file.json")).is_ok());
        assert!(Output::find(&args("-", "")).unwrap().taken && !Output::find(&args("", "")).unwrap().taken);
    }
}
