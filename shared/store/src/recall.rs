use std::ops::Range;

use domain::{Memory, MemoryType, Scope, SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use pgvector::HalfVector;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::connect::Transaction;
use crate::terms::Terms;
use crate::{Error, Store, row};

/// What is searched for among a user's events and memories.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Search<'a> {
    /// The words; English stop words and endings do not matter.
    pub words: &'a str,
    /// The embedding; without it, everything is found by its words only.
    pub embedding: Option<Embedding<'a>>,
    /// How many events each measure brings; at least this many come back where there are as many.
    pub candidates: u16,
    /// Times of the question: the events of then are a measure of its own, by words and then by embedding.
    pub times: &'a [Range<Timestamp>],
    /// How many memories each measure brings.
    pub memory_candidates: u16,
    /// What may be found at all.
    pub filter: Filter<'a>,
}

/// What a search may find; everything that holds now, by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter<'a> {
    /// Only memories of these types; of all when there is none. Events have no type.
    pub types: &'a [MemoryType],
    /// Only memories of these scopes; of all when there is none. Events have no scope.
    pub scopes: &'a [Scope],
    /// Only what comes from this session of the user, by its name.
    pub session: Option<&'a str>,
    /// Only what happened, or began to hold, at this time or later.
    pub since: Option<Timestamp>,
    /// Only what happened, or began to hold, before this time.
    pub until: Option<Timestamp>,
    /// What held at this time instead of now: what has been replaced since is found, what began to hold or happened later is
    /// not.
    pub as_of: Option<Timestamp>,
}

/// A text as a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embedding<'a> {
    /// Of length 1.
    pub vector: &'a [f32],
    /// The embedder. What another one has embedded is found by its words only.
    pub model: &'a str,
}

impl Embedding<'_> {
    /// Compared with nothing: no embedder has this name, and a vector needs a dimension.
    const NONE: Embedding<'static> = Embedding { vector: &[0.0], model: "" };
}

/// What a search brought, unranked, and what it takes to rank it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    /// Numbers over everything that was searched, whether it came back or not.
    pub corpus: Corpus,
    /// What may answer, in no particular order.
    pub candidates: Vec<Candidate<T>>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { corpus: Corpus::default(), candidates: Vec::new() }
    }
}

/// Numbers over everything of a user that was searched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Corpus {
    /// How many texts.
    pub texts: i64,
    /// How many different words a text has, on average.
    pub average_length: f64,
    /// How like the search a text is, on average: the mean of [`Candidate::similarity`] over all that have one, without their
    /// passages, else 0.
    pub average_similarity: f64,
    /// The words of the search, each as its stem.
    pub words: Vec<String>,
    /// Per word of the search, how many texts have it.
    pub texts_with: Vec<i64>,
}

/// One text that may answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<T> {
    /// The event or memory.
    pub item: T,
    /// The cosine of its embedding with the search's, −1 to 1; `None` when it has none of the same embedder. Of a long event the
    /// highest among those of the whole and of its passages.
    pub similarity: Option<f64>,
    /// How many different words it has.
    pub length: i32,
    /// Per word of the search, how often it has it; in the order of [`Corpus::words`].
    pub frequencies: Vec<i32>,
    /// Of a long text, its passage whose embedding is nearest.
    pub passage: Option<PassageWords>,
}

/// The words of a passage, counted as those of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageWords {
    /// How many different words it has.
    pub length: i32,
    /// Per word of the search, how often it has it; in the order of [`Corpus::words`].
    pub frequencies: Vec<i32>,
}

/// A message as recall shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecalledEvent {
    /// Its session.
    pub session: SessionId,
    /// The session's name.
    pub session_name: String,
    /// Its position within the session.
    pub version: i64,
    /// `user`, `assistant`, `system` or `tool`; empty for events that are not messages.
    pub role: String,
    /// Who spoke, where the application said so.
    pub speaker: Option<String>,
    /// What was said.
    pub content: String,
    /// When, by the application's account.
    pub occurred_at: Timestamp,
    /// Of a long event, where its passage is whose embedding is nearest: in bytes of `content`.
    pub passage: Option<Range<usize>>,
}

impl RecalledEvent {
    /// The nearest passage of a long event, all of any other.
    pub fn nearest(&self) -> &str {
        self.passage.clone().and_then(|bytes| self.content.get(bytes)).unwrap_or(&self.content)
    }
}

/// A memory as recall shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecalledMemory {
    /// The memory.
    pub memory: Memory,
    /// Until when it held, when something has taken its place since.
    pub valid_to: Option<Timestamp>,
    /// Whether somebody wants it kept.
    pub pinned: bool,
    /// When it last changed or was said again.
    pub updated_at: Timestamp,
    /// How often it has been handed out, as far as that is counted yet.
    pub accesses: i64,
    /// When it last was.
    pub accessed_at: Option<Timestamp>,
    /// The first of the user's events it came from, as session names and versions; at most [`MOST_EVIDENCE`].
    pub evidence: Vec<(String, i64)>,
    /// How many such events there are, counted to 1,000.
    pub evidence_count: i64,
}

/// How many pieces of evidence a recalled memory brings.
pub const MOST_EVIDENCE: u16 = 10;

/// Everything of a user that may answer a question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recalled {
    /// What was said.
    pub events: Found<RecalledEvent>,
    /// What was learned.
    pub memories: Found<RecalledMemory>,
    /// How many of the user's events are in the archive, where they are not searched.
    pub archived_events: i64,
}

impl Store {
    /// The names of those who have spoken lately in a user's sessions, in one round trip.
    pub async fn speakers(&self, tenant: &TenantId, user: &UserId) -> Result<Vec<String>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_speakers.sql")).await?;
        let (tenant, user) = (tenant.as_str(), user.as_str());
        let values: [&(dyn ToSql + Sync); 2] = [&tenant, &user];
        let ((), rows, ()) =
            try_join!(transaction.begin_planned(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(|row| Ok(row.try_get("speaker")?)).collect()
    }

    /// Asks Postgres for a sign of life, as `tenant`.
    pub async fn ping(&self, tenant: &TenantId) -> Result<(), Error> {
        let transaction = self.transaction(tenant).await?;
        try_join!(transaction.begin(), transaction.commit())?;
        transaction.end();
        Ok(())
    }

    /// Everything of a user that may answer a question, in one round trip.
    ///
    /// Of the events every indexed one is looked at, and one that is not indexed yet is not found. Of the memories, every one
    /// of the user and of the whole tenant, or, by their vectors, the nearest of a graph where the user has very many.
    pub async fn recall(
        &self,
        tenant: &TenantId,
        user: &UserId,
        search: &Search<'_>,
    ) -> Result<Recalled, Error> {
        let transaction = self.transaction(tenant).await?;
        let (events_statement, memories_statement, archived_statement) = try_join!(
            transaction.prepare(include_str!("../queries/search_events.sql")),
            transaction.prepare(include_str!("../queries/search_memories.sql")),
            transaction.prepare(include_str!("../queries/count_archived_events.sql")),
        )?;
        let names: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &user.as_str()];
        let ((), events, memories, archived, ()) = try_join!(
            transaction.begin_planned(),
            search_events(&transaction, &events_statement, tenant, user, search),
            search_memories(&transaction, &memories_statement, tenant, user, search),
            transaction.query(&archived_statement, &names),
            transaction.commit(),
        )?;
        transaction.end();
        let archived_events = archived.first().map_or(Ok(0), |row| row.try_get("events"))?;
        Ok(Recalled { events, memories, archived_events })
    }
}

/// Runs the search of events within a transaction.
pub(crate) async fn search_events(
    transaction: &Transaction,
    statement: &Statement,
    tenant: &TenantId,
    user: &UserId,
    search: &Search<'_>,
) -> Result<Found<RecalledEvent>, Error> {
    let Embedding { vector, model } = search.embedding.unwrap_or(Embedding::NONE);
    let vector = HalfVector::from_f32_slice(vector);
    let candidates = i64::from(search.candidates);
    let (since, until): (Vec<Timestamp>, Vec<Timestamp>) =
        search.times.iter().map(|time| (time.start, time.end)).unzip();
    let Filter { session, since: from, until: to, as_of, .. } = search.filter;
    let values: [&(dyn ToSql + Sync); 12] = [
        &tenant.as_str(),
        &user.as_str(),
        &search.words,
        &vector,
        &model,
        &candidates,
        &since,
        &until,
        &session,
        &from,
        &to,
        &as_of,
    ];
    found(&transaction.query(statement, &values).await?, recalled_event, event_words)
}

/// Runs the search of memories within a transaction; searches with different filters may share it and its round trip.
pub(crate) async fn search_memories(
    transaction: &Transaction,
    statement: &Statement,
    tenant: &TenantId,
    user: &UserId,
    search: &Search<'_>,
) -> Result<Found<RecalledMemory>, Error> {
    let Embedding { vector, model } = search.embedding.unwrap_or(Embedding::NONE);
    let vector = HalfVector::from_f32_slice(vector);
    let candidates = i64::from(search.memory_candidates);
    let Filter { types, scopes, session, since, until, as_of } = search.filter;
    let types = (!types.is_empty()).then(|| types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
    let scopes = (!scopes.is_empty()).then(|| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>());
    let evidence = i32::from(MOST_EVIDENCE);
    let values: [&(dyn ToSql + Sync); 13] = [
        &tenant.as_str(),
        &user.as_str(),
        &search.words,
        &vector,
        &model,
        &candidates,
        &types,
        &scopes,
        &session,
        &since,
        &until,
        &as_of,
        &evidence,
    ];
    found(&transaction.query(statement, &values).await?, recalled_memory, memory_words)
}

fn found<T>(
    rows: &[Row],
    item: impl Fn(&Row) -> Result<T, Error>,
    words: impl Fn(&Row, &Corpus) -> Result<(Vec<i32>, Option<PassageWords>), Error>,
) -> Result<Found<T>, Error> {
    let Some(first) = rows.first() else { return Ok(Found::default()) };
    let corpus = Corpus {
        texts: first.try_get("texts")?,
        average_length: first.try_get("average_length")?,
        average_similarity: first.try_get("average_similarity")?,
        words: first.try_get("words")?,
        texts_with: first.try_get("texts_with")?,
    };
    let candidates = rows
        .iter()
        .map(|row| {
            let (frequencies, passage) = words(row, &corpus)?;
            Ok(Candidate {
                item: item(row)?,
                similarity: row.try_get("similarity")?,
                length: row.try_get("length")?,
                frequencies,
                passage,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Found { corpus, candidates })
}

/// How often an event and its nearest passage have the words of the search.
fn event_words(row: &Row, corpus: &Corpus) -> Result<(Vec<i32>, Option<PassageWords>), Error> {
    let terms: Option<Terms<'_>> = row.try_get("terms")?;
    let frequencies =
        terms.map_or_else(|| vec![0; corpus.words.len()], |terms| terms.frequencies(&corpus.words));
    let passage = row
        .try_get::<_, Option<Terms<'_>>>("passage_terms")?
        .map(|terms| PassageWords { length: terms.length(), frequencies: terms.frequencies(&corpus.words) });
    Ok((frequencies, passage))
}

fn memory_words(row: &Row, _: &Corpus) -> Result<(Vec<i32>, Option<PassageWords>), Error> {
    Ok((row.try_get("frequencies")?, None))
}

fn recalled_event(row: &Row) -> Result<RecalledEvent, Error> {
    let passage = Option::zip(
        row.try_get::<_, Option<i32>>("passage_start")?,
        row.try_get::<_, Option<i32>>("passage_end")?,
    )
    .and_then(|(start, end)| Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?));
    Ok(RecalledEvent {
        session: SessionId(row.try_get("session_id")?),
        session_name: row.try_get("session")?,
        version: row.try_get("version")?,
        role: row.try_get::<_, Option<String>>("role")?.unwrap_or_default(),
        speaker: row.try_get("speaker")?,
        content: row.try_get::<_, Option<String>>("content")?.unwrap_or_default(),
        occurred_at: row.try_get("occurred_at")?,
        passage,
    })
}

/// Reads a memory with its evidence, as `search_memories.sql` has it.
pub(crate) fn recalled_memory(row: &Row) -> Result<RecalledMemory, Error> {
    let sessions: Option<Vec<String>> = row.try_get("sessions")?;
    let versions: Option<Vec<i64>> = row.try_get("versions")?;
    let evidence = sessions.unwrap_or_default().into_iter().zip(versions.unwrap_or_default()).collect();
    Ok(RecalledMemory {
        memory: row::memory(row)?,
        valid_to: row.try_get("valid_to")?,
        pinned: row.try_get("pinned")?,
        updated_at: row.try_get("updated_at")?,
        accesses: row.try_get("accesses")?,
        accessed_at: row.try_get("accessed_at")?,
        evidence,
        evidence_count: row.try_get("events")?,
    })
}
