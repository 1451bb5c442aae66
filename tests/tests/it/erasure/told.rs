//! What is thought of a user as a whole or when they have fallen quiet, and who is told of it.

use std::sync::OnceLock;

use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use notifier::{Notifier, NotifierConfig};
use pattern_finder::PatternFinder;
use queue::SqsEvent;
use runtime::Invocation;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::delivery::deliver_body;
use crate::notifier::sealer;
use crate::notifier::stage::Received;

/// What an endpoint is told of: what the agents find that wait until a session is quiet, or a schedule wakes.
pub(super) const TOLD_OF: [&str; 3] = ["summary", "sentiment", "pattern"];

const DAY_SECONDS: i64 = 86_400;

impl Stage {
    /// Somebody wants to be told of changes of the memories of every user of the tenant.
    pub(super) async fn open_endpoint(&self) {
        let asked = json!({"url": self.receiver.url, "types": TOLD_OF});
        let (status, answer) = self.ask_for_text("POST", "/v1/webhook-endpoints", asked).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Everything that waits for the endpoint is sent; answers what it received.
    pub(super) async fn notify(&self) -> Vec<Value> {
        self.send_waiting().await;
        let waits = "select count(*) from afterthought.webhook_deliveries where status <> 'delivered'";
        assert_eq!(self.number(waits).await, 0, "everything was delivered");
        self.told()
    }

    /// What the endpoint has received since the last look.
    pub(super) fn told(&self) -> Vec<Value> {
        self.receiver.take().iter().map(Received::json).collect()
    }

    /// The notifier sends what waits for the endpoint, whatever else happens meanwhile.
    pub(super) async fn send_waiting(&self) {
        let read = "select id from afterthought.webhook_endpoints";
        let endpoint = self.owner.query_one(read, &[]).await.unwrap().get(0);
        let wake_up = WakeUp::Endpoint { tenant: Self::tenant(), endpoint };
        let body = Envelope::first(wake_up, (self.services.now)()).to_body();
        let event = json!({"Records": [{"messageId": "m", "body": body, "receiptHandle": ""}]});
        let event: SqsEvent = serde_json::from_value(event).unwrap();
        let settings = NotifierConfig::of(&self.services.config).unwrap();
        let notifier = Notifier::new(&self.services, sealer(), &settings).unwrap();
        let answer = notifier.handle(event, &Invocation::at(Timestamp::MAX, 0)).await;
        assert!(answer.batch_item_failures.is_empty());
    }

    /// A day is over: the pattern-finder thinks about everybody who has said something since the last one.
    pub(super) async fn find_patterns(&self) {
        let tick = r#"{"format":1,"type":"tick"}"#;
        assert!(Box::pin(deliver_body(&self.services, &self.finder, tick, 1)).await);
        let queue = self.services.config.routes.url(PatternFinder::NAME).unwrap();
        loop {
            let waiting = self.aws.drain(queue).await.unwrap();
            if waiting.is_empty() {
                return;
            }
            for message in waiting {
                let body = message.body().unwrap();
                assert!(Box::pin(deliver_body(&self.services, &self.finder, body, 1)).await);
            }
        }
    }
}

/// The beginning of the day that was so many days ago, the same for as long as the tests run: patterns are of the last 90 days.
#[expect(clippy::disallowed_methods, reason = "agents look back from the real time")]
pub(super) fn day(ago: i64) -> Timestamp {
    static TODAY: OnceLock<i64> = OnceLock::new();
    let today = TODAY.get_or_init(|| Timestamp::now().as_second().div_euclid(DAY_SECONDS));
    Timestamp::from_second((today - ago) * DAY_SECONDS).unwrap()
}
