use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn event(session: u128, version: i64) -> Change<'static> {
    Change::Event { session: Uuid::from_u128(session), version, tenant: "acme" }
}

#[test]
fn a_commit_is_confirmed_only_after_its_flush_was_accepted() {
    let mut progress = Progress::default();
    progress.begin();
    progress.change(event(1, 1)).unwrap();
    progress.commit(100);
    assert_eq!(progress.confirmable(), 0);
    assert_eq!(progress.start_flush().unwrap().len(), 1);
    progress.begin();
    progress.change(event(1, 2)).unwrap();
    progress.commit(200);
    progress.keep_alive(250);
    progress.accepted();
    assert_eq!(progress.confirmable(), 100);
    assert!(progress.start_flush().is_some());
    progress.accepted();
    assert_eq!(progress.confirmable(), 250);
}

#[test]
fn a_flush_within_a_transaction_does_not_confirm_it() {
    let mut progress = Progress::default();
    progress.keep_alive(50);
    progress.begin();
    progress.change(event(1, 1)).unwrap();
    assert!(progress.start_flush().is_some());
    progress.keep_alive(90);
    progress.accepted();
    assert_eq!(progress.confirmable(), 50);
    progress.commit(100);
    assert_eq!(progress.confirmable(), 100);
}

#[test]
fn idle_wal_is_confirmed_on_keep_alives() {
    let mut progress = Progress::default();
    progress.keep_alive(70);
    progress.keep_alive(60);
    assert_eq!(progress.confirmable(), 70);
}

#[test]
fn a_flush_of_a_lost_connection_confirms_nothing_on_the_next() {
    let mut progress = Progress::default();
    progress.begin();
    progress.change(event(1, 1)).unwrap();
    progress.commit(500);
    assert!(progress.start_flush().is_some());
    progress.reconnect();
    progress.accepted();
    assert_eq!(progress.confirmable(), 0);
}

/// What may happen to a reader, and to the server and SQS around it.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody commits rows of these sessions.
    Commit(Vec<u8>),
    /// The server writes WAL that is no concern of ours.
    Unrelated,
    /// The next messages of the stream arrive.
    Receive(u8),
    /// A keep-alive with the position the server has sent up to.
    KeepAlive,
    Flush,
    /// SQS accepts part of the flush; the sink keeps the rest and tries again.
    AcceptPart(u8),
    AcceptAll,
    /// The confirmed position reaches the server.
    Report,
    Reconnect,
    /// The process dies: nothing but what the server and SQS know remains.
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0_u8..4, 1..4).prop_map(Step::Commit),
        1 => Just(Step::Unrelated),
        8 => (1_u8..5).prop_map(Step::Receive),
        2 => Just(Step::KeepAlive),
        3 => Just(Step::Flush),
        2 => any::<u8>().prop_map(Step::AcceptPart),
        3 => Just(Step::AcceptAll),
        3 => Just(Step::Report),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Die),
    ]
}

/// A message of the stream.
#[derive(Debug, Clone)]
enum Sent {
    Begin,
    Row(u8, i64),
    Commit(u64),
}

/// A server, a reader and a queue.
#[derive(Default)]
struct World {
    /// Every transaction: its end and its rows.
    log: Vec<(u64, Vec<(u8, i64)>)>,
    versions: [i64; 4],
    wal_end: u64,
    /// What the server was told.
    confirmed: u64,
    /// What is left of the current connection's stream.
    stream: Vec<Sent>,
    sent_through: u64,
    reader: Progress,
    flush: Vec<(u8, i64)>,
    /// Highest version accepted per session.
    accepted: [i64; 4],
}

impl World {
    fn rows_of(rows: &[(u8, i64)], end: u64) -> Vec<Sent> {
        let mut sent = vec![Sent::Begin];
        sent.extend(rows.iter().map(|(session, version)| Sent::Row(*session, *version)));
        sent.push(Sent::Commit(end));
        sent
    }

    fn connect(&mut self) {
        let again = self.log.iter().filter(|(end, _)| *end > self.confirmed);
        self.stream = again.flat_map(|(end, rows)| Self::rows_of(rows, *end)).collect();
        self.sent_through = self.confirmed;
    }

    fn receive(&mut self) {
        if self.stream.is_empty() {
            return;
        }
        match self.stream.remove(0) {
            Sent::Begin => self.reader.begin(),
            Sent::Row(session, version) => self.reader.change(event(u128::from(session), version)).unwrap(),
            Sent::Commit(end) => {
                self.sent_through = end;
                self.reader.commit(end);
            }
        }
    }

    fn accept(&mut self, count: usize) {
        for (session, version) in self.flush.drain(..count.min(self.flush.len())) {
            let highest = &mut self.accepted[usize::from(session)];
            *highest = version.max(*highest);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(sessions) => {
                let rows: Vec<_> = sessions
                    .into_iter()
                    .map(|session| {
                        self.versions[usize::from(session)] += 1;
                        (session, self.versions[usize::from(session)])
                    })
                    .collect();
                self.wal_end += 10;
                self.stream.extend(Self::rows_of(&rows, self.wal_end));
                self.log.push((self.wal_end, rows));
            }
            Step::Unrelated => self.wal_end += 7,
            Step::Receive(count) => (0..count).for_each(|_| self.receive()),
            Step::KeepAlive => {
                // A server that has sent all says where its WAL ends; otherwise how far it has sent.
                let wal_end = if self.stream.is_empty() { self.wal_end } else { self.sent_through };
                self.reader.keep_alive(wal_end);
            }
            Step::Flush => {
                if let Some(wakes) = self.reader.start_flush() {
                    assert!(self.flush.is_empty(), "one flush at a time");
                    let session = |id: Uuid| u8::try_from(id.as_u128()).unwrap();
                    let all = wakes.sessions.iter().chain(&wakes.bulk);
                    self.flush = all.map(|(_, id, version)| (session(id.0), *version)).collect();
                }
            }
            Step::AcceptPart(count) => {
                let some = usize::from(count).min(self.flush.len().saturating_sub(1));
                self.accept(some);
            }
            Step::AcceptAll => {
                if self.reader.in_flight.is_some() {
                    self.accept(usize::MAX);
                    self.reader.accepted();
                }
            }
            Step::Report => self.confirmed = self.confirmed.max(self.reader.confirmable()),
            Step::Reconnect => {
                self.reader.reconnect();
                self.connect();
            }
            Step::Die => {
                self.reader = Progress::default();
                self.flush.clear();
                self.connect();
            }
        }
    }

    /// No commit that may be confirmed, or was, holds a version that SQS has not accepted.
    fn is_safe(&self) -> bool {
        let promised = self.confirmed.max(self.reader.confirmable());
        let accepted = |(session, version): &(u8, i64)| self.accepted[usize::from(*session)] >= *version;
        self.log.iter().filter(|(end, _)| *end <= promised).all(|(_, rows)| rows.iter().all(accepted))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_is_confirmed_before_it_was_accepted_and_everything_is_accepted_in_the_end(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::default();
        let mut before = 0;
        for step in steps {
            let starts_afresh = matches!(step, Step::Reconnect | Step::Die);
            world.step(step.clone());
            let confirmable = world.reader.confirmable();
            prop_assert!(starts_afresh || confirmable >= before, "{step:?} moved {before} back to {confirmable}");
            prop_assert!(world.is_safe(), "after {step:?}");
            before = confirmable;
        }
        while !world.stream.is_empty() {
            world.receive();
        }
        for step in [Step::AcceptAll, Step::Flush, Step::AcceptAll, Step::KeepAlive, Step::Report] {
            world.step(step);
            prop_assert!(world.is_safe());
        }
        prop_assert_eq!(world.accepted, world.versions);
        prop_assert_eq!(world.confirmed, world.wal_end);
    }
}
