//! Tenants kept apart from below: whatever a function does wrong, Postgres shows and changes nothing of another tenant. Every
//! table and every role that is there is looked at, so a new table fails here until it is said how to fill it.

use std::collections::BTreeMap;

use testkit::TestDatabase;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

const AGENT: &str = "afterthought_agent";
const READER: &str = "afterthought_reader";
const OPERATOR: &str = "afterthought_operator";
const KEEPER: &str = "afterthought_keeper";

/// Roles that act on all tenants, and see nothing that anybody said.
const ACROSS_TENANTS: [&str; 2] = [READER, OPERATOR];
/// What a role that acts for one tenant at a time may see without naming one: that there are tenants.
const SEEN_WITHOUT_TENANT: [(&str, &str); 1] = [(KEEPER, "tenants")];
/// What a role that acts on all tenants may write.
const WRITTEN_ACROSS: [(&str, &str); 4] =
    [(OPERATOR, "holds"), (OPERATOR, "agent_cursors"), (OPERATOR, "agent_runs"), (OPERATOR, "tenants")];
/// Columns that hold what people said, what was made of it, or what opens something.
const CONTENT: [&str; 25] = [
    "content", "archived_digest", "data", "metadata", "preferences", "learned_facts", "state", "patch",
    "input", "result", "answer", "hash", "edited_content", "edited_data", "note", "embedding",
    "long_embedding", "terms", "wording", "key", "names", "secrets", "secret", "old_secret", "payload",
];

/// How a row of a tenant is made in each table, in this order; `$t` is the tenant. Rows that hang together share identifiers
/// made of the tenant and a word.
const ROWS: [(&str, &str); 25] = [
    ("tenants", "insert into afterthought.tenants (tenant) values ($t)"),
    (
        "sessions",
        "insert into afterthought.sessions (id, tenant, user_id, session) values (md5($t || 'session')::uuid, $t, 'ada', 'chat')",
    ),
    (
        "session_events",
        "insert into afterthought.session_events (tenant, user_id, session, event_type, role, content)
         values ($t, 'ada', 'chat', 'message', 'user', 'hello')",
    ),
    ("profiles", "insert into afterthought.profiles (tenant, user_id) values ($t, 'ada')"),
    (
        "memories",
        "insert into afterthought.memories (id, tenant, user_id, scope, type, key, content, confidence, agent, model, valid_from)
         values (md5($t || 'memory')::uuid, $t, 'ada', 'user', 'fact', 'k', 'Ada keeps bees.', 1, 'a', 'm', now())",
    ),
    (
        "memory_evidence",
        "insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
         values (md5($t || 'memory')::uuid, md5($t || 'session')::uuid, 1, $t)",
    ),
    (
        "event_index",
        "insert into afterthought.event_index (session_id, version, tenant, user_id, embedding, embedding_model, terms)
         values (md5($t || 'session')::uuid, 1, $t, 'ada', '[1]', 'm', to_tsvector('english', 'hello'))",
    ),
    (
        "event_passages",
        "insert into afterthought.event_passages
             (session_id, version, passage, tenant, user_id, start_byte, end_byte, embedding, embedding_model, terms, occurred_at)
         values (md5($t || 'session')::uuid, 1, 0, $t, 'ada', 0, 5, '[1]', 'm', to_tsvector('english', 'hello'), now())",
    ),
    (
        "agent_cursors",
        "insert into afterthought.agent_cursors (session_id, agent, tenant, through)
         values (md5($t || 'session')::uuid, 'a', $t, 1)",
    ),
    (
        "agent_runs",
        "insert into afterthought.agent_runs
             (id, tenant, agent, session_id, after_version, through_version, outcome, model, first_sent_at, started_at)
         values (md5($t || 'run')::uuid, $t, 'a', md5($t || 'session')::uuid, 0, 1, 'done', 'm', now(), now())",
    ),
    (
        "ledger",
        "insert into afterthought.ledger (run_id, position, tenant, session_id, agent, type, outcome, reason, evidence)
         values (md5($t || 'run')::uuid, 1, $t, md5($t || 'session')::uuid, 'a', 'fact', 'dropped', 'repeat', '{1}')",
    ),
    ("holds", "insert into afterthought.holds (tenant, reason) values ($t, 'pause')"),
    (
        "reviews",
        "insert into afterthought.reviews
             (memory_id, tenant, scope, scope_id, type, key, content, data, on_conflict, review_reason, decision)
         values (md5($t || 'memory')::uuid, $t, 'user', 'ada', 'fact', 'k', 'Ada keeps bees.', '{}', 'merge', 'type', 'approved')",
    ),
    (
        "memory_marks",
        "insert into afterthought.memory_marks (mark, memory_id, tenant) values (7, md5($t || 'memory')::uuid, $t)",
    ),
    (
        "requests",
        "insert into afterthought.requests (tenant, user_id, key, fingerprint) values ($t, 'ada', 'k', sha256('x'))",
    ),
    (
        "retractions",
        "insert into afterthought.retractions (memory_id, tenant, user_id, scope, scope_id, type, key, wording, reason)
         values (md5($t || 'memory')::uuid, $t, 'ada', 'user', 'ada', 'fact', sha256('k'), sha256('w'), 'deleted')",
    ),
    (
        "memory_versions",
        "insert into afterthought.memory_versions (memory_id, version, tenant, content, data)
         values (md5($t || 'memory')::uuid, 1, $t, 'Ada kept bees.', '{}')",
    ),
    (
        "memory_access",
        "insert into afterthought.memory_access (memory_id, tenant, count, last_at)
         values (md5($t || 'memory')::uuid, $t, 1, now())",
    ),
    (
        "memory_index",
        "insert into afterthought.memory_index (memory_id, tenant, owner, is_current, type, scope, valid_from)
         values (md5($t || 'memory')::uuid, $t, 'ada', true, 'fact', 'user', now())
         on conflict (memory_id) do nothing",
    ),
    (
        "memory_words",
        "insert into afterthought.memory_words (word, memory_id, tenant, frequency, length)
         values (7, md5($t || 'memory')::uuid, $t, 1, 1)",
    ),
    ("memory_totals", "insert into afterthought.memory_totals (tenant, owner, texts, words) values ($t, 'ada', 1, 1)"),
    (
        "archive_objects",
        "insert into afterthought.archive_objects
             (id, tenant, user_id, session_id, first_version, last_version, events, bytes, checksum)
         values (md5($t || 'object')::uuid, $t, 'ada', md5($t || 'session')::uuid, 1, 1, 1, 1, sha256('x'))",
    ),
    (
        "snapshots",
        "insert into afterthought.snapshots (session_id, version, tenant, schema_version, state)
         values (md5($t || 'session')::uuid, 1000, $t, 1, '{}')",
    ),
    (
        "checkpoints",
        "insert into afterthought.checkpoints
             (session_id, sequence, tenant, node_id, through, schema_version, state, whole, patches, chain_bytes, state_bytes,
              checksum)
         values (md5($t || 'session')::uuid, 1, $t, 'n', 1, 1, '{}', 1, 0, 2, 2, sha256('x'))",
    ),
    (
        "operations",
        "insert into afterthought.operations (session_id, id, tenant, name, input, lease_until)
         values (md5($t || 'session')::uuid, 1, $t, 'n', '{}', now())",
    ),
];

/// Tables that came after those, with the same.
const LATER_ROWS: [(&str, &str); 6] = [
    (
        "api_keys",
        "insert into afterthought.api_keys (tenant, name, hint, hash, scopes)
     values ($t, 'ci', 'aft_', sha256(convert_to($t, 'UTF8')), '{read}')",
    ),
    (
        "erasures",
        "insert into afterthought.erasures (id, tenant, subject, user_digest, subject_digest, names, counts)
     values (md5($t || 'erasure')::uuid, $t, 'user', sha256('u'), sha256('u'), '{}', '{}')",
    ),
    (
        "erased_sessions",
        "insert into afterthought.erased_sessions (erasure_id, session_id, tenant)
     values (md5($t || 'erasure')::uuid, md5($t || 'gone')::uuid, $t)",
    ),
    (
        "webhook_endpoints",
        "insert into afterthought.webhook_endpoints (id, tenant, url, secret)
         values (md5($t || 'endpoint')::uuid, $t, 'https://app.example/', 'x')",
    ),
    (
        "webhook_deliveries",
        "insert into afterthought.webhook_deliveries (endpoint_id, tenant, payload)
         values (md5($t || 'endpoint')::uuid, $t, '{}')",
    ),
    (
        "webhook_sources",
        "insert into afterthought.webhook_sources (tenant, name, mapping, secrets) values ($t, 'chat', '{}', '[{}]')",
    ),
];

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.into_iter().chain(LATER_ROWS)
}

/// A table, and what each role may do with it.
struct Table {
    name: String,
    is_forced: bool,
    has_tenant: bool,
    /// The columns that a role may read and change, and whether it may delete.
    rights: BTreeMap<String, Rights>,
}

#[derive(Default)]
struct Rights {
    reads: Vec<String>,
    changes: Vec<String>,
    deletes: bool,
}

struct Stage {
    owner: Client,
    tables: Vec<Table>,
    roles: Vec<String>,
    _database: TestDatabase,
}

/// How a statement of a role ended, undone in any case.
struct Attempt {
    outcome: Result<u64, SqlState>,
    /// Whether anything of tenant b was written.
    touched: bool,
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let owner = database.client().await.unwrap();
        let roles = owner
            .query("select rolname::text from pg_roles where rolname like 'afterthought\\_%' and not rolcanlogin", &[])
            .await
            .unwrap();
        let roles: Vec<String> = roles.iter().map(|row| row.get(0)).collect();
        let found = owner
            .query(
                "select c.oid, c.relname::text, c.relrowsecurity and c.relforcerowsecurity,
                        exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant')
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = 'afterthought' and c.relkind in ('r', 'p')
                 order by c.relname",
                &[],
            )
            .await
            .unwrap();
        let mut tables = Vec::new();
        for row in found {
            let oid: u32 = row.get(0);
            let mut rights = BTreeMap::new();
            for role in &roles {
                let row = owner
                    .query_one(
                        "select coalesce(array_agg(a.attname::text) filter
                                    (where has_column_privilege($2, a.attrelid, a.attnum, 'select')), '{}'),
                                coalesce(array_agg(a.attname::text) filter
                                    (where has_column_privilege($2, a.attrelid, a.attnum, 'update')), '{}'),
                                has_table_privilege($2, $1::oid, 'delete')
                         from pg_attribute a where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped",
                        &[&oid, role],
                    )
                    .await
                    .unwrap();
                let right = Rights { reads: row.get(0), changes: row.get(1), deletes: row.get(2) };
                rights.insert(role.clone(), right);
            }
            tables.push(Table { name: row.get(1), is_forced: row.get(2), has_tenant: row.get(3), rights });
        }
        for tenant in ["a", "b"] {
            for (table, insert) in rows() {
                let filled = owner.batch_execute(&insert.replace("$t", &format!("'{tenant}'"))).await;
                filled.unwrap_or_else(|error| panic!("{table} of {tenant} is not filled: {error:?}"));
            }
        }
        Self { owner, tables, roles, _database: database }
    }

    /// Everything of tenant b in a table, with who wrote it last.
    async fn of_b(&self, table: &str) -> Vec<String> {
        let read = format!(
            "select t.xmin::text || t::text from afterthought.\"{table}\" t where tenant = 'b' order by 1"
        );
        self.owner.query(&read, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Lets a role try something in one table, for a tenant or none.
    async fn attempt(&self, role: &str, tenant: &str, table: &str, sql: &str) -> Attempt {
        let before = self.of_b(table).await;
        self.owner
            .batch_execute(&format!(
                "begin; set local role {role}; select set_config('afterthought.tenant', '{tenant}', true)"
            ))
            .await
            .unwrap();
        let outcome = self.owner.execute(sql, &[]).await;
        let outcome =
            outcome.map_err(|error| error.code().cloned().unwrap_or_else(|| panic!("{sql}: {error}")));
        let touched = match &outcome {
            Ok(_) => {
                self.owner.batch_execute("reset role").await.unwrap();
                self.of_b(table).await != before
            }
            Err(_) => false,
        };
        self.owner.batch_execute("rollback").await.unwrap();
        Attempt { outcome, touched }
    }
}

/// Tables of nobody's: what the deployment has done to its own indexes, which tables of applications it follows, and the
/// rules for secrets. Nobody but the owner writes there, and the reader where it notes how far it has come.
const OF_THE_DEPLOYMENT: [&str; 5] =
    ["adopted_arrivals", "adopted_refusals", "adopted_tables", "guard_rules", "upkeep"];
const NOTED_BY_READER: [&str; 2] = ["adopted_arrivals", "adopted_tables"];

/// Every statement by which a role could write to a table that is there.
fn writes(table: &str, rights: &Rights) -> Vec<String> {
    let change = |column: &String| format!("update afterthought.\"{table}\" set \"{column}\" = \"{column}\"");
    let delete = rights.deletes.then(|| format!("delete from afterthought.\"{table}\""));
    rights.changes.iter().map(change).chain(delete).collect()
}

#[tokio::test]
async fn every_table_belongs_to_tenants_forces_row_level_security_and_is_filled_here() {
    let stage = Stage::set().await;
    assert!(stage.tables.len() >= 24 && stage.roles.iter().any(|role| role == AGENT));
    for Table { name, is_forced, has_tenant, .. } in &stage.tables {
        assert!(is_forced, "{name} does not force row-level security");
        if OF_THE_DEPLOYMENT.contains(&name.as_str()) {
            continue;
        }
        assert!(has_tenant, "{name} has no column `tenant`");
        assert!(rows().any(|(table, _)| table == name), "nobody has said how to fill {name}: see ROWS");
        assert!(!stage.of_b(name).await.is_empty(), "{name} is empty");
    }
}

#[tokio::test]
async fn without_a_tenant_nothing_is_seen_and_nothing_is_written() {
    let stage = Stage::set().await;
    for table in &stage.tables {
        let name = &table.name;
        if OF_THE_DEPLOYMENT.contains(&name.as_str()) {
            for (role, rights) in &table.rights {
                let notes = role == READER && NOTED_BY_READER.contains(&name.as_str());
                assert!(notes || writes(name, rights).is_empty(), "{role} may write to {name}");
                let sees = [READER, OPERATOR, "afterthought_adopter"].contains(&role.as_str());
                assert!(name == "upkeep" || sees || rights.reads.is_empty(), "{role} sees {name}");
            }
            continue;
        }
        let insert = rows().find(|(filled, _)| filled == name).expect("another test says so").1;
        for (role, rights) in &table.rights {
            let is_across = ACROSS_TENANTS.contains(&role.as_str());
            if is_across {
                for column in &rights.reads {
                    assert!(!CONTENT.contains(&column.as_str()), "{role} sees {name}.{column}");
                }
            } else if let Some(column) = rights.reads.first()
                && !SEEN_WITHOUT_TENANT.contains(&(role, name))
            {
                let read = format!("select \"{column}\" from afterthought.\"{name}\"");
                let seen = stage.attempt(role, "", name, &read).await.outcome;
                assert_eq!(seen, Ok(0), "{role} sees {name} without a tenant");
            }
            if WRITTEN_ACROSS.contains(&(role, name)) {
                continue;
            }
            for write in writes(name, rights) {
                let Attempt { outcome, touched } = stage.attempt(role, "", name, &write).await;
                assert!(!touched && outcome.clone().unwrap_or(0) == 0, "{role}: {write} wrote {outcome:?}");
            }
            let insert = insert.replace("$t", "'b'");
            let refused = stage.attempt(role, "", name, &insert).await.outcome;
            assert_eq!(refused, Err(SqlState::INSUFFICIENT_PRIVILEGE), "{role} inserts into {name}");
        }
    }
}

#[tokio::test]
async fn as_one_tenant_nothing_of_another_is_seen_or_written() {
    let stage = Stage::set().await;
    let mut seen_own = 0;
    for table in &stage.tables {
        let name = &table.name;
        if OF_THE_DEPLOYMENT.contains(&name.as_str()) {
            continue;
        }
        let insert = rows().find(|(filled, _)| filled == name).expect("another test says so").1;
        for (role, rights) in &table.rights {
            if ACROSS_TENANTS.contains(&role.as_str()) {
                continue;
            }
            if rights.reads.iter().any(|column| column == "tenant")
                && !SEEN_WITHOUT_TENANT.contains(&(role, name))
            {
                let read = |whose: &str| {
                    format!("select tenant from afterthought.\"{name}\" where tenant {whose} 'a'")
                };
                let others = stage.attempt(role, "a", name, &read("<>")).await.outcome;
                assert_eq!(others, Ok(0), "{role} sees another tenant's {name}");
                let own = stage.attempt(role, "a", name, &read("=")).await.outcome;
                assert!(own.is_ok_and(|rows| rows > 0), "{role} sees nothing of its own in {name}");
                seen_own += 1;
            }
            for write in writes(name, rights) {
                assert!(
                    !stage.attempt(role, "a", name, &write).await.touched,
                    "{role}: {write} reaches another tenant"
                );
            }
            let refused = stage.attempt(role, "a", name, &insert.replace("$t", "'b'")).await.outcome;
            assert_eq!(
                refused,
                Err(SqlState::INSUFFICIENT_PRIVILEGE),
                "{role} inserts another tenant's {name}"
            );
        }
    }
    assert!(seen_own >= 20, "{seen_own}");
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_alone_and_only_by_who_may() {
    let stage = Stage::set().await;
    let find = "select from afterthought.find_api_key(sha256('b'))";
    assert_eq!(stage.attempt(AGENT, "", "api_keys", find).await.outcome, Ok(1));
    let other = "select from afterthought.find_api_key(sha256('c'))";
    assert_eq!(stage.attempt(AGENT, "", "api_keys", other).await.outcome, Ok(0));
    for role in [READER, OPERATOR, "afterthought_app"] {
        let refused = stage.attempt(role, "", "api_keys", find).await.outcome;
        assert_eq!(refused, Err(SqlState::INSUFFICIENT_PRIVILEGE), "{role}");
    }
}
