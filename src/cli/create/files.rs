//! The files that a Modelfile names: what a path stands for, what a folder holds, and their names for the server (the
//! behaviour page, section 6.7).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;

/// Files of weights, of which the first kind that is there counts: beginnings and ends of names, and whether those in
/// folders inside belong to them.
const WEIGHTS: [(&str, &str, bool); 6] = [
    ("model", ".safetensors", true),
    ("consolidated", ".safetensors", false),
    ("pytorch_model", ".bin", false),
    ("consolidated", ".pth", false),
    ("", ".gguf", false),
    ("", ".bin", false),
];
/// What goes with them: configurations, also those in folders inside, a template and a tokenizer.
const COMPANIONS: [(&str, &str, bool); 3] =
    [("", ".json", true), ("chat_template", ".jinja", false), ("tokenizer", ".model", true)];

/// A path in a Modelfile is relative to it; `~` is the home of whoever calls.
pub(super) fn resolve(path: &str, folder: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => folder.join(path),
    }
}

/// The files that a path stands for: itself, or those of a model in a folder. `None`: there is nothing at the path.
pub(super) fn at(path: &Path) -> Result<Option<Vec<PathBuf>>, CliError> {
    let fail = |source| CliError::File { path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // A name of a model with a slash may go through what is a file here.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(fail(error)),
    };
    if !metadata.is_dir() {
        return Ok(Some(vec![path.to_owned()]));
    }
    let weights = WEIGHTS.iter().map(|kind| matching(path, *kind));
    let weights = weights.collect::<io::Result<Vec<_>>>().map_err(fail)?;
    let mut files = weights.into_iter().find(|files| !files.is_empty()).ok_or(CliError::NoModelFiles)?;
    for kind in COMPANIONS {
        files.extend(matching(path, kind).map_err(fail)?);
    }
    let inside = fs::canonicalize(path).map_err(fail)?;
    for file in &files {
        // A link that leads out of the folder could send anything to the server.
        let real = fs::canonicalize(file).map_err(|source| CliError::File { path: file.clone(), source })?;
        if !real.starts_with(&inside) {
            return Err(CliError::InsecurePath(real));
        }
    }
    Ok(Some(files))
}

/// The files in a folder, and in the folders inside it if `deep`, whose names begin and end so; sorted.
fn matching(folder: &Path, (start, end, deep): (&str, &str, bool)) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if path.is_dir() {
            if deep && !name.starts_with('.') {
                files.extend(matching(&path, (start, end, false))?);
            }
        } else if name.starts_with(start) && name.ends_with(end) && !name.starts_with('.') {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the server is to call each file: the name of a single one, else its path from the folder that holds them all.
pub(super) fn names(files: &[PathBuf]) -> io::Result<BTreeMap<PathBuf, String>> {
    let absolute: Vec<PathBuf> = files.iter().map(std::path::absolute).collect::<io::Result<_>>()?;
    let parents = absolute.iter().filter_map(|path| path.parent());
    let root = parents.map(Path::to_owned).reduce(|root, folder| common(&root, &folder)).unwrap_or_default();
    let names = files.iter().zip(&absolute).map(|(file, path)| {
        let name = path.strip_prefix(&root).unwrap_or(path);
        (file.clone(), name.to_string_lossy().into_owned())
    });
    Ok(names.collect())
}

/// The folder that both lie in.
fn common(one: &Path, other: &Path) -> PathBuf {
    one.components().zip(other.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_modelfile() {
        let home = Some(Path::new("/home/ana"));
        for (path, want) in
            [("a.gguf", "/m/a.gguf"), ("/b.gguf", "/b.gguf"), ("~/c.gguf", "/home/ana/c.gguf"), ("~x", "/m/~x")]
        {
            assert_eq!(resolve(path, Path::new("/m"), home), PathBuf::from(want));
        }
        assert_eq!(resolve("a", Path::new(""), None), PathBuf::from("a"));
    }

    #[test]
    fn a_folder_stands_for_the_files_of_a_model() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let found = |path: &Path| {
            let files =
                at(path).map(|files| files.map(|files| names(&files).unwrap().into_values().collect::<Vec<_>>()));
            files.map_err(|error| error.to_string())
        };
        let no_files = "no Modelfile or safetensors files found".to_owned();
        assert_eq!(found(root), Err(no_files));
        assert_eq!(found(&root.join("nowhere")), Ok(None));
        for name in ["a.gguf", "b.gguf", "readme.md", "config.json", ".hidden.json"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let want = ["a.gguf", "b.gguf", "config.json"].map(str::to_owned);
        assert_eq!(found(root), Ok(Some(want.to_vec())));
        assert_eq!(found(&root.join("a.gguf")), Ok(Some(vec!["a.gguf".to_owned()])));
        assert_eq!(found(&root.join("a.gguf/m")), Ok(None));
        fs::create_dir(root.join("part")).unwrap();
        for name in ["model-1.safetensors", "part/model-2.safetensors", "part/config.json", "tokenizer.model"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let want =
            ["config.json", "model-1.safetensors", "part/config.json", "part/model-2.safetensors", "tokenizer.model"];
        assert_eq!(found(root), Ok(Some(want.map(str::to_owned).to_vec())));
        std::os::unix::fs::symlink("/etc/hostname", root.join("model-3.safetensors")).unwrap();
        assert_eq!(found(root), Err("insecure path: /etc/hostname".to_owned()));
    }
}
