use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::session::check_names;
use super::{Owner, Session, Turn, hand_on, open};

/// So many wrong lines are listed before the rest is only counted.
const LISTED_ERRORS: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    tenant: Option<String>,
    user: Option<String>,
    session: String,
    role: String,
    content: String,
    speaker: Option<String>,
    occurred_at: Option<String>,
    idempotency_key: Option<String>,
}

impl Line {
    fn parse(text: &str, owner: &Owner) -> Result<([String; 3], Turn)> {
        // The position serde adds is that within the line, which helps nobody who edits a file.
        let line: Self = serde_json::from_str(text).map_err(|error| {
            let said = error.to_string();
            anyhow!("{}", said.split(" at line ").next().unwrap_or(&said))
        })?;
        let occurred_at = line
            .occurred_at
            .map(|at| {
                at.parse::<Timestamp>().with_context(|| {
                    format!("field `occurred_at` is {at:?}, expected a time such as 2026-03-01T09:30:00Z")
                })
            })
            .transpose()?;
        let tenant = line.tenant.unwrap_or_else(|| owner.tenant());
        let user =
            line.user.or_else(|| owner.user.clone()).context("field `user` is missing; give it or --user")?;
        check_names(&tenant, &user, &line.session)?;
        let turn = Turn {
            role: line.role,
            content: line.content,
            speaker: line.speaker,
            occurred_at,
            idempotency_key: line.idempotency_key,
        };
        turn.check()?;
        Ok(([tenant, user, line.session], turn))
    }
}

/// Where the lines of a session are in the file.
struct Place {
    names: [String; 3],
    offsets: Vec<u64>,
}

/// Reads a file twice: once to check every line and to note where each session's lines are, since sessions may be
/// interleaved; then session by session. One wrong line and nothing is handed on.
pub(super) fn read(path: &Path, owner: &Owner, sender: &mpsc::Sender<Session>) -> Result<()> {
    let places = survey(path, owner)?;
    let mut file = open(path)?;
    for place in places {
        let turns = place
            .offsets
            .iter()
            .map(|offset| Ok(Line::parse(&line_at(&mut file, *offset)?, owner)?.1))
            .collect::<Result<_>>()?;
        let [tenant, user, name] = place.names;
        if !hand_on(Session { tenant, user, name, turns }, sender) {
            break;
        }
    }
    Ok(())
}

fn line_at(file: &mut BufReader<File>, offset: u64) -> Result<String> {
    // Within the buffer where possible: most files keep a session's lines together.
    let position = i64::try_from(file.stream_position()?)?;
    file.seek_relative(i64::try_from(offset)? - position)?;
    let mut line = String::new();
    file.read_line(&mut line)?;
    Ok(line)
}

fn survey(path: &Path, owner: &Owner) -> Result<Vec<Place>> {
    let mut file = open(path)?;
    file.seek(SeekFrom::Start(0))?;
    let mut by_names: HashMap<[String; 3], usize> = HashMap::new();
    let mut places: Vec<Place> = Vec::new();
    let (mut errors, mut wrong) = (Vec::new(), 0_usize);
    let (mut offset, mut number) = (0_u64, 0_u64);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let length = file.read_until(b'\n', &mut bytes)?;
        if length == 0 {
            break;
        }
        number += 1;
        let start = offset;
        offset += length as u64;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed =
            std::str::from_utf8(&bytes).context("not UTF-8").and_then(|text| Line::parse(text, owner));
        match parsed {
            Ok((names, _)) => {
                let index = *by_names.entry(names).or_insert_with_key(|names| {
                    places.push(Place { names: names.clone(), offsets: Vec::new() });
                    places.len() - 1
                });
                if let Some(place) = places.get_mut(index) {
                    place.offsets.push(start);
                }
            }
            Err(error) => {
                wrong += 1;
                if errors.len() < LISTED_ERRORS {
                    errors.push(format!("  line {number}: {error:#}"));
                }
            }
        }
    }
    if wrong > 0 {
        let more = if wrong > errors.len() {
            format!("\n  and {} more", wrong - errors.len())
        } else {
            String::new()
        };
        bail!("nothing was imported from {}:\n{}{more}", path.display(), errors.join("\n"));
    }
    Ok(places)
}
