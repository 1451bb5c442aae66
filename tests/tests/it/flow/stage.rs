//! An agent that does what the messages say, and what surrounds it.

use std::sync::Mutex;
use std::time::Duration;

use domain::{Envelope, MemoryType, Scope, SessionId, TenantId, Thought, WakeUp, Window};
use jiff::Timestamp;
use model::{Model, OpenAi, Question, Schema};
use queue::SqsEvent;
use runtime::{
    Agent, AgentSpec, Context, Hooks, Invocation, Kept, RunInfo, Services, ThinkError, Thoughts, WaitFor,
    Waits, handle,
};
use serde_json::{Value, json};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::ground::{Ground, thought};

pub(super) const NAME: &str = "scripted";

/// Does what the messages say, unless it is mended.
pub(super) struct Scripted {
    pub(super) spec: AgentSpec,
    pub(super) mended: Mutex<bool>,
    pub(super) windows: Mutex<Vec<(i64, i64)>>,
    pub(super) told: Mutex<Vec<String>>,
    pub(super) model: Option<(OpenAi, Schema)>,
}

impl Scripted {
    pub(super) fn new() -> Self {
        Self::waiting(None)
    }

    pub(super) fn waiting(waits_for: Option<WaitFor>) -> Self {
        let spec = AgentSpec { name: NAME, debounce: None, window_limit: 100, context: &[], waits_for };
        Self {
            spec,
            mended: Mutex::default(),
            windows: Mutex::default(),
            told: Mutex::default(),
            model: None,
        }
    }

    pub(super) fn asking(stage: &Stage) -> Self {
        let Model::OpenAi(model) = Model::new(&stage.services.config.model).unwrap() else {
            panic!("a model is set")
        };
        let schema = r#"{"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"],
                        "additionalProperties": false}"#;
        Self { model: Some((model, Schema::parse("word", schema).unwrap())), ..Self::new() }
    }

    pub(super) fn mend(&self) {
        *self.mended.lock().unwrap() = true;
    }

    pub(super) fn windows(&self) -> Vec<(i64, i64)> {
        std::mem::take(&mut self.windows.lock().unwrap())
    }

    pub(super) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    pub(super) async fn word(
        &self,
        window: &Window,
        context: &Context,
    ) -> Result<(String, model::Usage), ThinkError> {
        let Some((model, schema)) = self.model.as_ref().filter(|_| !context.built_in_only) else {
            return Ok((
                "built-in".to_owned(),
                model::Usage { model: "built-in/1".into(), ..Default::default() },
            ));
        };
        let input = window.events.iter().map(|event| event.content.as_str()).collect::<Vec<_>>().join(" ");
        let question = Question { rules: "word-1", instructions: "Say a word.", input: &input, schema };
        let answer = context
            .ask(model, "word", question, |answer: Value| {
                let word = answer["word"].as_str().unwrap_or_default().to_owned();
                if word.is_empty() { Err(model::Error::Invalid("no word".to_owned())) } else { Ok(word) }
            })
            .await?;
        Ok((answer.value, answer.usage))
    }
}

impl Hooks for Scripted {
    fn on_start(&self, run: &RunInfo<'_>) {
        self.told.lock().unwrap().push(format!("start {} {}", run.after, run.through));
    }

    fn on_success(&self, run: &RunInfo<'_>, kept: &Kept<'_>) {
        let degraded = kept.degraded.unwrap_or("done");
        self.told.lock().unwrap().push(format!("success {} {} {degraded}", run.after, run.through));
    }

    fn on_failure(&self, run: &RunInfo<'_>, error: &str, quarantined: bool) {
        let what = if quarantined { "quarantined" } else { "failure" };
        self.told.lock().unwrap().push(format!("{what} {} {} {error}", run.after, run.through));
    }

    fn on_wait(&self, _agent: &'static str, _session: SessionId, waits: &Waits) {
        assert!(!matches!(waits, Waits::Held), "a hook that panics changes nothing");
        let waits = match waits {
            Waits::Deferred(_) => "deferred",
            Waits::ForAgent => "agent",
            Waits::Held => unreachable!("asserted"),
            Waits::Until(_) => "until",
        };
        self.told.lock().unwrap().push(format!("wait {waits}"));
    }
}

impl Agent for Scripted {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    fn hooks(&self) -> &dyn Hooks {
        self
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        self.windows.lock().unwrap().push((window.after, window.through()));
        let mended = *self.mended.lock().unwrap();
        let mut usage = model::Usage { model: "scripted/1".into(), ..Default::default() };
        let mut thoughts = Vec::new();
        for event in &window.events {
            let mut content = event.content.clone();
            match content.as_str() {
                "refused" if !mended => return Err(model::Error::Refused.into()),
                "invalid" if !mended => return Err(model::Error::Invalid("as scripted".into()).into()),
                "outage" if !mended => return Err(model::Error::Transient("as scripted".into()).into()),
                "panic" if !mended => panic!("as scripted"),
                "tomorrow" if !mended => {
                    return Err(ThinkError::Later { patience: Duration::from_hours(24) });
                }
                "nul" if !mended => content = "a\0b".to_owned(),
                "ask" | "ask and die" => {
                    let word;
                    (word, usage) = self.word(window, context).await?;
                    assert!(content != "ask and die" || mended, "dying after the answer, as scripted");
                    content = word;
                }
                _ => {}
            }
            let key = format!("{} {}", window.session_name, event.version);
            let thought = thought(MemoryType::Fact, &key, &content, event.version);
            thoughts.push(Thought { scope: Scope::Session, ..thought });
        }
        Ok(Thoughts { thoughts, usage, ..Default::default() })
    }
}

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) _database: TestDatabase,
    pub(super) aws: TestAws,
    pub(super) owner: Client,
    pub(super) queue_url: String,
    pub(super) letters_url: String,
}

impl Stage {
    pub(super) async fn set() -> Self {
        Self::with(&[]).await
    }

    pub(super) async fn with(more: &[(&str, &str)]) -> Self {
        let ground = Ground::lay().await;
        let queue_url = ground.aws.create_queue(NAME).await.unwrap();
        let letters_url = ground.aws.create_queue(&format!("{NAME}-dlq")).await.unwrap();
        let routes = format!("{NAME}={queue_url}");
        let given = [("WAKE_UP_QUEUES", routes.as_str())];
        let services = ground.services(&[&given, more].concat()).await;
        let Ground { database, aws, owner } = ground;
        Self { services, _database: database, aws, owner, queue_url, letters_url }
    }

    pub(super) async fn insert(&self, session: &str, contents: &[&str]) -> SessionId {
        let insert = "insert into afterthought.messages (user_id, session, role, content)
                      select 'ada', $1, 'user', content from unnest($2::text[]) as content returning session_id";
        SessionId(self.owner.query(insert, &[&session, &contents]).await.unwrap()[0].get(0))
    }

    /// Delivers one message; answers whether it was acknowledged.
    pub(super) async fn deliver(&self, agent: &Scripted, body: String, receives: u32) -> bool {
        let event: SqsEvent = serde_json::from_value(json!({ "Records": [{
            "messageId": "m", "body": body, "receiptHandle": "",
            "attributes": { "ApproximateReceiveCount": receives.to_string() },
        }]}))
        .unwrap();
        let invocation = Invocation::at(Timestamp::from_second(4_000_000_000).unwrap(), 0);
        handle(&self.services, agent, event, &invocation).await.batch_item_failures.is_empty()
    }

    pub(super) async fn wake(&self, agent: &Scripted, session: SessionId, version: i64) -> bool {
        self.deliver(agent, wake_up(session, version), 1).await
    }

    /// The runs as `after through outcome error`, in order.
    pub(super) async fn runs(&self) -> Vec<String> {
        let read = "select format('%s %s %s', after_version, through_version, outcome)
                    from afterthought.agent_runs order by after_version, through_version, outcome";
        self.owner.query(read, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn contents(&self) -> Vec<String> {
        let read = "select content from afterthought.memories order by key";
        self.owner.query(read, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn settings(&self, settings: Value) {
        let update = "update afterthought.tenants set settings = $1 where tenant = 'default'";
        self.owner.execute(update, &[&settings]).await.unwrap();
    }

    pub(super) async fn holds(&self) -> Vec<(Option<String>, String)> {
        let read = "select agent, reason from afterthought.holds order by 1, 2";
        self.owner.query(read, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// How many messages wait in the agent's queue with a delay.
    pub(super) async fn delayed(&self) -> i64 {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesDelayed as Delayed;
        let attributes =
            self.aws.sqs().get_queue_attributes().queue_url(&self.queue_url).attribute_names(Delayed);
        attributes.send().await.unwrap().attributes().unwrap()[&Delayed].parse().unwrap()
    }

    pub(super) async fn letters(&self) -> Vec<Envelope> {
        let letters = self.aws.drain(&self.letters_url).await.unwrap();
        letters.iter().map(|letter| Envelope::parse(letter.body().unwrap()).unwrap()).collect()
    }
}

pub(super) fn wake_up(session: SessionId, version: i64) -> String {
    let wake_up = WakeUp::Session { tenant: TenantId::new("default").unwrap(), session, version };
    Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body()
}

/// A provider that answers `word`, for 40 tokens.
pub(super) async fn provider(word: &str) -> MockServer {
    let server = MockServer::start().await;
    let content = json!({ "word": word }).to_string();
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "choices": [{ "message": { "content": content }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 30, "completion_tokens": 10 },
        })))
        .mount(&server)
        .await;
    server
}

pub(super) async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}
