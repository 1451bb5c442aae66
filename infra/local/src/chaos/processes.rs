//! Which processes a guard keeps alive.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that is started again when it dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// The file name of its program.
    pub program: String,
}

impl Process {
    /// Kills it, as losing its machine would. False when it had ended already.
    pub fn kill(&self) -> bool {
        self.signal(Signal::SIGKILL)
    }

    /// Interrupts it, as Ctrl-C does. False when it had ended already.
    pub fn interrupt(&self) -> bool {
        self.signal(Signal::SIGINT)
    }

    fn signal(&self, signal: Signal) -> bool {
        kill(Pid::from_raw(self.pid), signal).is_ok()
    }
}

/// The processes that a process has started and that have not ended, in the order of their ids.
pub(crate) fn children(of: u32) -> Result<Vec<Process>> {
    let listing = if Path::new("/proc/self/stat").exists() { from_proc()? } else { from_ps()? };
    let mut children: Vec<Process> = listing
        .into_iter()
        .filter(|(_, parent, _)| u32::try_from(*parent) == Ok(of))
        .filter_map(|(pid, _, command)| Some(Process { pid, program: file_name(&command)? }))
        .collect();
    children.sort_by_key(|process| process.pid);
    Ok(children)
}

fn file_name(command: &str) -> Option<String> {
    Some(Path::new(command).file_name()?.to_string_lossy().into_owned())
}

/// Process, parent and program of every process. What ends while it is looked at is left out.
fn from_proc() -> Result<Vec<(i32, i32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let folder = entry?.path();
        let Some(pid) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        let (Ok(stat), Ok(command)) = (fs::read(folder.join("stat")), fs::read(folder.join("cmdline")))
        else {
            continue;
        };
        let stat = String::from_utf8_lossy(&stat);
        // The program's name may hold anything; what follows it is numbers.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        // A process that has ended and was not waited for has no command line.
        let command = command.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Some(parent) = parent.filter(|_| !command.is_empty()) {
            found.push((pid, parent, String::from_utf8_lossy(command).into_owned()));
        }
    }
    Ok(found)
}

fn from_ps() -> Result<Vec<(i32, i32, String)>> {
    let output =
        Command::new("ps").args(["-A", "-o", "pid=,ppid=,comm="]).output().context("ps cannot be run")?;
    let listing = String::from_utf8_lossy(&output.stdout);
    Ok(listing
        .lines()
        .filter_map(|line| {
            let (pid, rest) = line.trim_start().split_once(char::is_whitespace)?;
            let (parent, command) = rest.trim_start().split_once(char::is_whitespace)?;
            Some((pid.parse().ok()?, parent.parse().ok()?, command.trim().to_owned()))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_by_its_program_and_killed() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let found = loop {
            // Between fork and exec it still is what started it.
            let found =
                children(std::process::id()).unwrap().into_iter().find(|process| process.pid == pid).unwrap();
            if found.program == "sleep" {
                break found;
            }
        };
        assert!(found.kill());
        assert!(!child.wait().unwrap().success());
        assert!(children(std::process::id()).unwrap().iter().all(|process| process.pid != pid));
    }
}
