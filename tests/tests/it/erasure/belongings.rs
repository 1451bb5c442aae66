//! What somebody may have beside what they said.

use domain::{UserId, WakeUp};
use memory_curator::MemoryCurator;
use serde_json::{Value, json};

use super::stage::{MARK, Stage, VICTIM};

impl Stage {
    /// Gives the victim one of everything that an application and an operator can make.
    pub(super) async fn decorate(&self) {
        let session = format!("/sessions/{VICTIM} part 0");
        let said = json!({"secret": MARK});
        for path in ["working-memory", "tools/quagga-finder"] {
            self.done("PUT", VICTIM, &format!("{session}/{path}"), said.clone()).await;
        }
        let state = json!({"node_id": "start", "state": said});
        self.done("POST", VICTIM, &format!("{session}/checkpoints"), state).await;
        let begun = json!({"name": MARK, "input": said, "key": MARK});
        self.done("POST", VICTIM, &format!("{session}/operations"), begun).await;
        let long = "The quagga grazed all day by the lake, and nobody but the heron saw it. ".repeat(20);
        let long = json!({"type": "message", "role": "user", "content": long});
        let events = json!({"events": [{"type": "observation", "payload": said}, long]});
        self.done("POST", VICTIM, &format!("{session}/events"), events).await;
        let memory =
            json!({"type": "fact", "content": "The quagga sleeps in the northern stable", "key": MARK});
        let made = self.done("POST", VICTIM, "/memories", memory).await;
        let id = made["memory"].as_str().unwrap();
        let correction = json!({"version": 1, "content": "The quagga sleeps in the southern stable"});
        self.done("POST", VICTIM, &format!("/memories/{id}/correct"), correction).await;
        let other = json!({"type": "preference", "content": "Wants the quagga brushed every day"});
        let other = self.done("POST", VICTIM, "/memories", other).await;
        self.done("DELETE", VICTIM, &format!("/memories/{}", other["memory"].as_str().unwrap()), Value::Null)
            .await;
        self.done("GET", VICTIM, "/recall?query=where+is+the+quagga", Value::Null).await;
        self.recall.count_accesses().await;
        self.owner
            .batch_execute(
                "insert into afterthought.profiles (tenant, user_id, preferences) values
                     ('acme', 'quagga-rider', '{\"pet\": \"quagga\"}'), ('acme', 'ada', '{\"pet\": \"cat\"}');
                 insert into afterthought.holds (tenant, user_id, agent, reason, until) values
                     ('acme', 'quagga-rider', 'summarizer', 'pause', null);
                 insert into afterthought.snapshots (session_id, version, tenant, schema_version, state)
                 select id, 1, tenant, 2, '{\"secret\": \"quagga\"}' from afterthought.sessions
                 where session = 'quagga-rider part 0';
                 insert into afterthought.reviews
                     (memory_id, tenant, scope, scope_id, type, key, content, data, on_conflict, review_reason, decision, note)
                 select id, tenant, scope, scope_id, type, key, content, data, 'merge', 'type', 'approved', 'the quagga is known'
                 from afterthought.memories where user_id = 'quagga-rider' limit 1;
                 insert into afterthought.webhook_endpoints (id, tenant, url, event_types, secret) values
                     (gen_random_uuid(), 'acme', 'https://example.com', '{webhook.test}', '');
                 insert into afterthought.webhook_deliveries (endpoint_id, tenant, user_id, memory_id, payload)
                 select e.id, m.tenant, m.user_id, m.id, '{\"content\": \"quagga\"}'
                 from afterthought.memories m, afterthought.webhook_endpoints e where m.user_id = 'quagga-rider' limit 1;
                 insert into afterthought.memory_versions (memory_id, version, tenant, content, data)
                 select id, 1000, tenant, 'an earlier quagga', '{}' from afterthought.memories
                 where user_id = 'quagga-rider' limit 1;
                 insert into afterthought.agent_runs
                     (id, tenant, agent, session_id, after_version, through_version, outcome, model, error, first_sent_at, started_at)
                 select gen_random_uuid(), tenant, 'summarizer', id, 0, 1, 'quarantined', 'test', 'quagga', now(), now()
                 from afterthought.sessions where session = 'quagga-rider part 0';",
            )
            .await
            .unwrap();
        // A dead letter of the memory-curator names the user, and one of another agent the session.
        for agent in [MemoryCurator::NAME, indexer::NAME] {
            let wake_up = if agent == indexer::NAME {
                let (tenant, session, version) = self
                    .sessions_of(VICTIM)
                    .await
                    .into_iter()
                    .next()
                    .map(|session| (Self::tenant(), session, 1))
                    .unwrap();
                WakeUp::Session { tenant, session, version }
            } else {
                WakeUp::User { tenant: Self::tenant(), user: UserId::new(VICTIM).unwrap() }
            };
            let letters = self.services.config.routes.dead_letters(agent).unwrap();
            let body = domain::Envelope::first(wake_up, (self.services.now)()).to_body();
            self.aws.sqs().send_message().queue_url(letters).message_body(body).send().await.unwrap();
        }
    }
}
