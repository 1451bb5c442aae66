use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Follows every log file of a folder.
pub(crate) struct Logs {
    folder: PathBuf,
    read: BTreeMap<PathBuf, u64>,
}

impl Logs {
    /// Follows the files of a folder from their beginning.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, read: BTreeMap::new() }
    }

    /// Prints the complete lines that are new, each after the name of who wrote it. Lines of metrics are for machines
    /// and left out. A log that cannot be read now is read the next time.
    pub(crate) fn print_new(&mut self, mut print: impl FnMut(&str)) {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
            let offset = self.read.entry(path.clone()).or_default();
            let Ok(mut file) = File::open(&path) else { continue };
            let mut text = Vec::new();
            if file.seek(SeekFrom::Start(*offset)).is_err() || file.read_to_end(&mut text).is_err() {
                continue;
            }
            let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else { continue };
            text.truncate(end + 1);
            *offset += text.len() as u64;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.starts_with("{\"_aws\"")) {
                print(&format!("{name:>16} | {line}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_lines_are_printed_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("reader.log");
        let mut logs = Logs::new(folder.path().to_owned());
        let mut printed = Vec::new();
        fs::write(&log, "one\n{\"_aws\":1}\ntw").unwrap();
        logs.print_new(|line| printed.push(line.trim().to_owned()));
        fs::write(&log, "one\n{\"_aws\":1}\ntwo\n").unwrap();
        logs.print_new(|line| printed.push(line.trim().to_owned()));
        assert_eq!(printed, ["reader | one", "reader | two"]);
    }
}
