//! Lets a schedule of faults happen to a stack that runs.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use futures::future::try_join_all;
use futures::try_join;
use tokio::time::Instant;

use super::processes::Process;
use super::proxy::Proxy;
use super::schedule::{Fault, Line, Victim};
use crate::database::connect;
use crate::functions::READER;
use crate::running::Running;

const HOST: &str = "cargo-lambda";
/// The most items one request may write.
const ITEMS_AT_ONCE: usize = 25;

/// The ways between the functions and what they talk to.
#[derive(Debug)]
pub struct Lines {
    /// To SQS and DynamoDB.
    pub aws: Proxy,
    /// To Postgres.
    pub database: Proxy,
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Faults per kind, those that hit nothing left out.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Processes killed.
    pub kills: u64,
    /// Times that everything was lost.
    pub losses: u64,
}

impl Tally {
    /// Everything that went wrong.
    pub fn faults(&self) -> u64 {
        self.kinds.values().sum()
    }

    fn count(&mut self, fault: &Fault) {
        *self.kinds.entry(fault.kind()).or_default() += 1;
        match fault {
            Fault::Kill(..) => self.kills += 1,
            Fault::LoseEverything => self.losses += 1,
            _ => {}
        }
    }
}

/// Injects faults and keeps a log of them.
#[derive(Debug)]
pub struct Injector<'a> {
    running: &'a Running,
    lines: &'a Lines,
    log: File,
    started: Instant,
    tally: Tally,
}

impl<'a> Injector<'a> {
    /// An injector whose log is a new file.
    pub fn new(running: &'a Running, lines: &'a Lines, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        Ok(Self { running, lines, log, started: Instant::now(), tally: Tally::default() })
    }

    /// Lets every fault happen at its time, then the weather be fair.
    pub async fn inject(mut self, schedule: &[(Duration, Fault)], length: Duration) -> Result<Tally> {
        for (at, fault) in schedule {
            tokio::time::sleep_until(self.started + *at).await;
            let hit = self.happen(fault).await.with_context(|| format!("while trying: {fault}"))?;
            match hit {
                Some(hit) => {
                    self.tally.count(fault);
                    self.note(&format!("{fault}{hit}"))?;
                }
                None => self.note(&format!("{fault}: nothing was hit"))?,
            }
        }
        tokio::time::sleep_until(self.started + length).await;
        self.lines.aws.clear();
        self.lines.database.clear();
        self.note(&"the last fault is over")?;
        Ok(self.tally)
    }

    fn note(&mut self, what: &impl Display) -> Result<()> {
        Ok(writeln!(self.log, "{:>10.3} s  {what}", self.started.elapsed().as_secs_f64())?)
    }

    /// What was hit, for the log; `None` when there was nothing to hit.
    async fn happen(&self, fault: &Fault) -> Result<Option<String>> {
        Ok(match fault {
            Fault::Kill(victim, place) => self.kill(*victim, *place)?,
            Fault::EndBackends { count, from } => {
                let ended = self.end_backends(*count, *from).await?;
                (!ended.is_empty()).then(|| format!(" {ended:?}"))
            }
            Fault::Reset(line) => {
                self.line(*line).reset();
                Some(String::new())
            }
            Fault::Weather(line, weather, lasting) => {
                self.line(*line).change(*weather, *lasting);
                Some(String::new())
            }
            Fault::LoseEverything => {
                let ((), items) = try_join!(self.purge_queues(), self.clear_table())?;
                Some(format!(" ({items} items)"))
            }
        })
    }

    const fn line(&self, line: Line) -> &Proxy {
        match line {
            Line::Aws => &self.lines.aws,
            Line::Database => &self.lines.database,
        }
    }

    fn kill(&self, victim: Victim, place: usize) -> Result<Option<String>> {
        let candidates: Vec<Process> = self
            .running
            .processes()?
            .into_iter()
            .filter(|process| match victim {
                Victim::Agent => self.running.agents.contains(&process.program),
                Victim::Reader => process.program == READER,
                Victim::Host => process.program == HOST,
            })
            .collect();
        let chosen = nth_round(&candidates, place).filter(|process| process.kill());
        Ok(chosen.map(|process| format!(" ({}, pid {})", process.program, process.pid)))
    }

    async fn end_backends(&self, count: usize, from: usize) -> Result<Vec<i32>> {
        let client = connect(&self.running.endpoints.database_url).await?;
        let rows = client
            .query(
                "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                 and backend_type in ('client backend', 'walsender') order by pid",
                &[],
            )
            .await?;
        let backends: Vec<i32> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let chosen: Vec<i32> = (from..from + count.min(backends.len()))
            .filter_map(|place| nth_round(&backends, place).copied())
            .collect();
        client.query("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", &[&chosen]).await?;
        Ok(chosen)
    }

    async fn purge_queues(&self) -> Result<()> {
        let sqs = aws_sdk_sqs::Client::new(&self.running.aws);
        let purges =
            self.running.endpoints.queues.values().map(|url| sqs.purge_queue().queue_url(url).send());
        try_join_all(purges).await?;
        Ok(())
    }

    async fn clear_table(&self) -> Result<usize> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.running.aws);
        let table = &self.running.endpoints.hot_table;
        let mut keys: Vec<HashMap<String, AttributeValue>> = Vec::new();
        let mut pages =
            dynamodb.scan().table_name(table).projection_expression("pk, sk").into_paginator().items().send();
        while let Some(item) = pages.next().await {
            keys.push(item?);
        }
        for some in keys.chunks(ITEMS_AT_ONCE) {
            let deletes = some.iter().map(|key| {
                let delete = DeleteRequest::builder().set_key(Some(key.clone())).build()?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            });
            let deletes: Vec<WriteRequest> = deletes.collect::<Result<_>>()?;
            dynamodb.batch_write_item().request_items(table, deletes).send().await?;
        }
        Ok(keys.len())
    }
}

/// The one at a place, counted round and round.
fn nth_round<T>(list: &[T], place: usize) -> Option<&T> {
    list.get(place.checked_rem(list.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_round_and_nothing_is_hit_where_nothing_is() {
        assert_eq!(nth_round(&[1, 2, 3], 7), Some(&2));
        assert_eq!(nth_round::<i32>(&[], 7), None);
    }

    #[test]
    fn kills_and_losses_are_told_apart_in_the_tally() {
        let mut tally = Tally::default();
        for fault in [Fault::Kill(Victim::Host, 0), Fault::LoseEverything, Fault::Reset(Line::Aws)] {
            tally.count(&fault);
        }
        assert_eq!((tally.kills, tally.losses, tally.faults()), (1, 1, 3));
    }
}
