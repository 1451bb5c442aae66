//! What becomes of texts and documents.

#![cfg(test)]

use domain::{GuardAction, GuardPolicy, IdentifierActions};
use guard::Screen;
use proptest::prelude::*;
use serde_json::{Value, json};

fn everything(action: GuardAction) -> GuardPolicy {
    GuardPolicy { secrets: action, identifiers: IdentifierActions::all(action) }
}

fn redacted(text: &str) -> String {
    let policy = everything(GuardAction::Redact);
    let mut text = text.to_owned();
    Screen::of(policy).unwrap().text("content", &mut text).unwrap();
    text
}

/// Letters and digits without a pattern, the same every time.
fn random(length: usize, alphabet: &str) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut random = fastrand::Rng::with_seed(7);
    (0..length).map(|_| *random.choice(&alphabet).unwrap()).collect()
}

#[test]
fn a_redacted_text_reads_well() {
    let key = format!("AKIA{}", random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
    assert_eq!(redacted(&format!("Use {key}, please.")), "Use [AWS access token], please.");
    assert_eq!(
        redacted("Pay 4111 1111 1111 1111 12/26 or DE44 5001 0517 5407 3249 31 bitte."),
        "Pay [credit card] 12/26 or [IBAN] bitte."
    );
    assert_eq!(
        redacted("Ada (ada@example.com, +1 415-555-2671) was at 81.2.69.142, SSN 536-22-8147."),
        "Ada ([e-mail address], [phone number]) was at [IP address], SSN [social security number]."
    );
    assert_eq!(
        redacted("Fröhliche Grüße an jürgen@example.com 🎉"),
        "Fröhliche Grüße an [e-mail address] 🎉"
    );
    let password = random(24, "abcdefghijklmnopqrstuvwxyz0123456789");
    assert_eq!(redacted(&format!("password = \"{password}\" ok")), "password = \"[API key]\" ok");
}

#[test]
fn a_document_is_walked_and_its_names_tell_what_its_texts_are() {
    let policy = everything(GuardAction::Redact);
    let password = random(24, "abcdefghijklmnopqrstuvwxyz0123456789");
    let mut payload = json!({
        "name": "charge", "arguments": {
            "card": "4111111111111111", "pan": 5_555_555_555_554_444_u64, "amount": 12.5, "ok": true, "note": null,
            "to": ["ada@example.com", {"cc": "bob@example.com"}], "api_key": password,
        },
    });
    let mut screen = Screen::of(policy).unwrap();
    screen.document("payload", &mut payload).unwrap();
    let found = screen.found();
    let arguments = json!({
        "card": "[credit card]", "pan": "[credit card]", "amount": 12.5, "ok": true, "note": null,
        "to": ["[e-mail address]", {"cc": "[e-mail address]"}], "api_key": "[API key]",
    });
    assert_eq!(payload, json!({"name": "charge", "arguments": arguments}));
    found.record(GuardAction::Redact, &mut payload);
    assert_eq!(
        payload["afterthought"],
        json!({"guard": {"redacted": {"credit_card": 2, "email": 2, "generic-api-key": 1}}})
    );
}

#[test]
fn what_is_blocked_is_said_by_field_and_kind_and_without_its_words() {
    let mut policy = everything(GuardAction::Redact);
    policy.identifiers.credit_card = GuardAction::Block;
    let mut screen = Screen::of(policy).unwrap();
    let mut text = "mail ada@example.com, card 4111 1111 1111 1111".to_owned();
    let blocked = screen.text("events[3].content", &mut text).unwrap_err();
    assert_eq!(
        blocked.detail(),
        "field `events[3].content` holds what looks like a credit card, which this tenant does not take in: send it without"
    );
    assert_eq!(text, "mail ada@example.com, card 4111 1111 1111 1111");
    let found = guard::Found::from(blocked.rule);
    assert_eq!(found.in_place(), "[blocked: credit card]");
    let mut payload = json!({});
    found.record(GuardAction::Block, &mut payload);
    assert_eq!(payload, json!({"afterthought": {"guard": {"blocked": {"credit_card": 1}}}}));
}

#[test]
fn what_an_application_has_under_our_name_does_not_hide_what_was_found() {
    let found = || {
        let policy = everything(GuardAction::Redact);
        let mut screen = Screen::of(policy).unwrap();
        screen.text("content", &mut "ada@example.com".to_owned()).unwrap();
        screen.found()
    };
    let record = json!({"redacted": {"email": 1}});
    for (before, after) in [
        (
            json!({"afterthought": {"did": "remember"}}),
            json!({"afterthought": {"did": "remember", "guard": record}}),
        ),
        (json!({"afterthought": "mine"}), json!({"afterthought": {"guard": record}})),
    ] {
        let mut payload = before;
        found().record(GuardAction::Redact, &mut payload);
        assert_eq!(payload, after);
    }
    let mut untouched = json!({"a": 1});
    guard::Found::default().record(GuardAction::Redact, &mut untouched);
    assert_eq!(untouched, json!({"a": 1}));
}

#[test]
fn a_second_look_adds_to_the_record_of_the_first() {
    let found = |text: &str| {
        let mut screen = Screen::of(everything(GuardAction::Redact)).unwrap();
        screen.text("content", &mut text.to_owned()).unwrap();
        screen.found()
    };
    let mut payload = json!({"row": 7});
    found("ada@example.com").record(GuardAction::Redact, &mut payload);
    found("ada@example.com, 4111 1111 1111 1111").record(GuardAction::Redact, &mut payload);
    found("4111 1111 1111 1111").record(GuardAction::Block, &mut payload);
    let record = json!({"redacted": {"email": 2, "credit_card": 1}, "blocked": {"credit_card": 1}});
    assert_eq!(payload, json!({"row": 7, "afterthought": {"guard": record}}));
    guard::keep_record(&mut payload);
    assert_eq!(payload, json!({"afterthought": {"guard": record}}));

    // Of what somebody else has written there, nothing but numbers of known rules stays.
    for odd in [json!("x"), json!({"redacted": 7}), json!({"redacted": {"email": -1, "ada": 2, "iban": "1"}})]
    {
        let mut payload = json!({"afterthought": {"did": "remember", "guard": odd}});
        found("ada@example.com").record(GuardAction::Redact, &mut payload);
        let guard = json!({"redacted": {"email": 1}});
        assert_eq!(payload, json!({"afterthought": {"did": "remember", "guard": guard}}));
    }
    let mut none = json!({"a": 1, "afterthought": {"did": "remember"}});
    guard::keep_record(&mut none);
    assert_eq!(none, json!({}));
}

#[test]
fn a_record_of_somebody_elses_is_dropped_and_nothing_else() {
    for (given, left) in [
        (json!({"a": 1, "afterthought": {"guard": {"redacted": {"email": 1}}}}), json!({"a": 1})),
        (json!({"afterthought": {"guard": 1, "did": "x"}}), json!({"afterthought": {"did": "x"}})),
        (json!({"afterthought": {}, "guard": 1}), json!({"afterthought": {}, "guard": 1})),
        (json!({"afterthought": "mine"}), json!({"afterthought": "mine"})),
    ] {
        let Value::Object(mut payload) = given else { unreachable!() };
        guard::drop_record(&mut payload);
        assert_eq!(Value::Object(payload), left);
    }
}

#[test]
fn of_a_list_of_findings_nothing_is_left() {
    let list =
        |length: u32| (0..length).map(|number| format!("a{number}@b.co")).collect::<Vec<_>>().join(" ");
    assert_eq!(redacted(&list(500)), vec!["[e-mail address]"; 500].join(" "));
    let policy = everything(GuardAction::Redact);
    let mut screen = Screen::of(policy).unwrap();
    let mut text = format!("{} 4111 1111 1111 1111", list(501));
    screen.text("content", &mut text).unwrap();
    assert_eq!(text, "[credit card, e-mail address]");
    let mut payload = json!({});
    screen.found().record(GuardAction::Redact, &mut payload);
    assert_eq!(payload["afterthought"]["guard"]["redacted"], json!({"email": 501, "credit_card": 1}));
    let same = "ada@example.com ".repeat(600);
    assert_eq!(redacted(&same), "[e-mail address] ".repeat(600), "one that is there often is no list");
    let mut blocking = everything(GuardAction::Redact);
    blocking.identifiers.credit_card = GuardAction::Block;
    let mut text = format!("{} 4111 1111 1111 1111", list(501));
    let blocked = Screen::of(blocking).unwrap().text("content", &mut text).unwrap_err();
    assert_eq!(blocked.rule.name(), "credit_card");
}

#[test]
fn a_policy_that_is_off_has_no_screen() {
    assert!(Screen::of(GuardPolicy::default()).is_none());
}

fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~\u{e4}\u{20ac}]{0,40}".prop_map(Value::from),
        "(4111 ?1111 ?1111 ?1111|ada@example\\.com|\\+49 30 901820)[ -~]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_left_is_the_text_without_it(text in "\\PC{0,120}") {
        let policy = everything(GuardAction::Redact);
        let mut end = 0;
        for finding in guard::look(policy, &text) {
            prop_assert!(finding.range.start >= end && text.get(finding.range.clone()).is_some_and(|found| !found.is_empty()));
            end = finding.range.end;
        }
        redacted(&text);
    }

    #[test]
    fn redacting_twice_is_redacting_once(document in any_document()) {
        let policy = everything(GuardAction::Redact);
        let mut once = document;
        Screen::of(policy).unwrap().document("payload", &mut once).unwrap();
        let mut twice = once.clone();
        let mut screen = Screen::of(policy).unwrap();
        screen.document("payload", &mut twice).unwrap();
        prop_assert_eq!(once, twice);
        prop_assert!(screen.found().is_empty());
    }
}
