//! A store of memories, and what is asked of it.

use domain::{TenantId, UserId};
use jiff::Timestamp;
use store::{Filter, Found, RecalledMemory, Search, Store};
use testkit::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::ground::store_over;

pub(super) struct Stage {
    pub(super) store: Store,
    pub(super) owner: Client,
    pub(super) database: TestDatabase,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let store = store_over(&database, 4);
        let owner = database.client().await.unwrap();
        owner
            .batch_execute(
                "insert into afterthought.tenants (tenant) values ('acme');
                 insert into afterthought.sessions (id, tenant, user_id, session)
                 select gen_random_uuid(), tenant, user_id, session
                 from (values ('default'), ('acme')) t (tenant), (values ('ada'), ('bob')) u (user_id),
                      (values ('first'), ('second')) s (session)",
            )
            .await
            .unwrap();
        Self { store, owner, database }
    }

    /// Adds a memory of a user's session and answers its identifier. `held` is since when, and until when.
    pub(super) async fn remember(
        &self,
        whose: (&str, &str, &str),
        what: (&str, &str, &str),
        held: (&str, Option<&str>),
    ) -> Uuid {
        let ((tenant, user, session), (scope, kind, content), (from, to)) = (whose, what, held);
        self.owner
            .query_one(
                "insert into afterthought.memories
                     (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from, valid_to)
                 select gen_random_uuid(), tenant, case when $4 <> 'global' then user_id end, id, $4, $5, gen_random_uuid()::text,
                        $6, 0.8, 'test', 'test', $7::text::timestamptz, $8::text::timestamptz
                 from afterthought.sessions where tenant = $1 and user_id = $2 and session = $3
                 returning id",
                &[&tenant, &user, &session, &scope, &kind, &content, &from, &to],
            )
            .await
            .unwrap()
            .get(0)
    }

    /// `count` memories of a user with vectors all over the place, the same in every run.
    pub(super) async fn fill(&self, tenant: &str, user: &str, count: i32) {
        self.owner
            .execute(
                "insert into afterthought.memories
                     (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from,
                      embedding, embedding_model)
                 select md5($2 || n)::uuid, s.tenant, s.user_id, s.id, 'user', (array['fact', 'entity'])[1 + n % 2], n::text,
                        'word' || n % 7 || ' number' || n, 0.8, 'test', 'test', now(), vector, 'a'
                 from afterthought.sessions s, generate_series(1, $3) n,
                      lateral (
                          select array_agg(hashtext($2 || n || ' ' || i)::real / 2147483648)::vector(32)::halfvec as vector
                          from generate_series(1, 32) i
                      ) v
                 where s.tenant = $1 and s.user_id = $2 and s.session = 'first'",
                &[&tenant, &user, &count],
            )
            .await
            .unwrap();
    }

    pub(super) async fn found(&self, tenant: &str, user: &str, search: &Search<'_>) -> Found<RecalledMemory> {
        let (tenant, user) = (TenantId::new(tenant).unwrap(), UserId::new(user).unwrap());
        self.store.recall(&tenant, &user, search).await.unwrap().memories
    }

    /// What a search by words brings under a filter, sorted.
    pub(super) async fn contents(&self, tenant: &str, user: &str, filter: Filter<'_>) -> Vec<String> {
        let search = Search { filter, ..words("sailing") };
        let mut contents: Vec<String> = self
            .found(tenant, user, &search)
            .await
            .candidates
            .into_iter()
            .map(|candidate| candidate.item.memory.content)
            .collect();
        contents.sort();
        contents
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// How many places of what is derived from the memories differ from what a look at the memories says.
    pub(super) async fn differences(&self) -> i64 {
        self.number(
            "with found as (
                 select m.*, coalesce(user_id, '') as owner, valid_to is null as is_current
                 from afterthought.memories m where afterthought.is_found(m)
             ),
             rows as (
                 select id, tenant, owner, is_current, type, scope, valid_from, valid_to, expires_at, embedding_model,
                        embedding::text
                 from found
             ),
             indexed as (
                 select memory_id, tenant, owner, is_current, type, scope, valid_from, valid_to, expires_at, embedding_model,
                        coalesce(embedding, long_embedding)::text
                 from afterthought.memory_index
             ),
             words as (
                 select afterthought.word_of(tenant, owner, is_current, lexeme), id, tenant, cardinality(positions)::smallint,
                        length(terms)::smallint
                 from found, unnest(terms)
             ),
             totals as (
                 select tenant, owner, count(*)::bigint as texts, sum(length(terms))::bigint as words
                 from found where is_current group by tenant, owner
             ),
             counted as (
                 select tenant, owner, sum(texts)::bigint as texts, sum(words)::bigint as words
                 from afterthought.memory_totals group by tenant, owner having sum(texts) > 0
             )
             select (select count(*) from (select * from rows except select * from indexed) d)
                  + (select count(*) from (select * from indexed except select * from rows) d)
                  + (select count(*) from (select * from words except select word, memory_id, tenant, frequency, length from afterthought.memory_words) d)
                  + (select count(*) from (select word, memory_id, tenant, frequency, length from afterthought.memory_words except select * from words) d)
                  + (select count(*) from (select * from totals except select * from counted) d)
                  + (select count(*) from (select * from counted except select * from totals) d)",
        )
        .await
    }
}

pub(super) fn words(words: &str) -> Search<'_> {
    Search { words, memory_candidates: 40, ..Search::default() }
}

pub(super) fn ids(found: &Found<RecalledMemory>) -> Vec<Uuid> {
    found.candidates.iter().map(|candidate| candidate.item.memory.id.0).collect()
}

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
