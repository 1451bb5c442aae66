use domain::WhenExhausted;

use super::*;

fn complete() -> HashMap<String, String> {
    [
        ("DATABASE_URL", "postgres://localhost/app"),
        ("HOT_TABLE", "hot"),
        ("WAKE_UP_QUEUES", "indexer=http://localhost/indexer"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn an_error_names_the_variable_and_what_was_expected() {
    for variable in ["DATABASE_URL", "HOT_TABLE", "WAKE_UP_QUEUES"] {
        let mut variables = complete();
        variables.insert(variable.to_owned(), String::new());
        let error = Config::from_map(&variables).unwrap_err().to_string();
        assert!(error.contains(variable) && error.contains("expected"), "{error}");
    }
    let mut variables = complete();
    variables.insert("AGENT_CONCURRENCY".to_owned(), "many".to_owned());
    assert_eq!(
        Config::from_map(&variables).unwrap_err().to_string(),
        r#"AGENT_CONCURRENCY is "many", expected a whole number"#
    );
}

#[test]
fn an_answer_must_fit_into_an_invocation() {
    let checked = |pairs: &[(&str, &str)]| {
        let mut variables = complete();
        variables.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Config::from_map(&variables).unwrap().check_timeouts().map_err(|error| error.to_string())
    };
    let model = [("MODEL_URL", "https://a.example/v1"), ("MODEL_NAME", "m")];
    let with = |timeout, invocation| {
        [model[0], model[1], ("MODEL_TIMEOUT_SECONDS", timeout), ("AGENT_TIMEOUT_SECONDS", invocation)]
    };
    assert_eq!(checked(&model), Ok(()));
    assert_eq!(checked(&with("60", "120")), Ok(()));
    assert_eq!(checked(&with("115", "120")), Ok(()));
    let error = r#"MODEL_TIMEOUT_SECONDS is "116", expected at least 5 s less than AGENT_TIMEOUT_SECONDS"#;
    assert_eq!(checked(&with("116", "120")), Err(error.to_owned()));
    assert!(checked(&with("", "30")).is_err(), "the usual timeout is a minute");
    assert_eq!(checked(&[("MODEL_TIMEOUT_SECONDS", "60"), ("AGENT_TIMEOUT_SECONDS", "30")]), Ok(()));
}

#[test]
fn what_is_behind_a_function_may_take_as_long_as_its_variable_says() {
    let with = |variable: &str, value: &str| {
        let mut variables = complete();
        variables.insert(variable.to_owned(), value.to_owned());
        Config::from_map(&variables)
            .map(|config| (config.database_timeout.as_secs(), config.hot_timeout.as_secs()))
            .map_err(|error| error.to_string())
    };
    assert_eq!(with("DATABASE_TIMEOUT_SECONDS", ""), Ok((10, 5)));
    assert_eq!(with("DATABASE_TIMEOUT_SECONDS", "300"), Ok((300, 5)));
    assert_eq!(with("HOT_TIMEOUT_SECONDS", "1"), Ok((10, 1)));
    for (variable, wrong) in [("DATABASE_TIMEOUT_SECONDS", "0"), ("HOT_TIMEOUT_SECONDS", "301")] {
        let error = format!(r#"{variable} is "{wrong}", expected a whole number of seconds from 1 to 300"#);
        assert_eq!(with(variable, wrong), Err(error));
    }
}

#[test]
fn each_kind_of_hot_item_lives_as_long_as_its_variable_says() {
    let with = |variable: &str, value: &str| {
        let mut variables = complete();
        variables.insert(variable.to_owned(), value.to_owned());
        Config::from_map(&variables).map(|config| config.lifetimes).map_err(|error| error.to_string())
    };
    let usual = Lifetimes::default();
    assert_eq!(with("TOOL_STATE_SECONDS", ""), Ok(usual));
    let minute = Duration::from_mins(1);
    for (variable, expected) in [
        ("SESSION_CONTEXT_SECONDS", Lifetimes { session_context: minute, ..usual }),
        ("WORKING_MEMORY_SECONDS", Lifetimes { working_memory: minute, ..usual }),
        ("TOOL_STATE_SECONDS", Lifetimes { tool_state: minute, ..usual }),
        ("STEP_RESULT_SECONDS", Lifetimes { step: minute, ..usual }),
    ] {
        assert_eq!(with(variable, "60"), Ok(expected));
        for wrong in ["59", "2592001", "0"] {
            let error =
                format!(r#"{variable} is "{wrong}", expected a whole number of seconds from 60 to 2592000"#);
            assert_eq!(with(variable, wrong), Err(error));
        }
    }
    let month = Duration::from_hours(30 * 24);
    for (variable, least, expected) in [
        ("REQUEST_KEY_SECONDS", 3_600, Lifetimes { request_key: month, ..usual }),
        ("COPY_SECONDS", 172_800, Lifetimes { copy: month, ..usual }),
    ] {
        assert_eq!(with(variable, "2592000"), Ok(expected));
        assert!(with(variable, &least.to_string()).is_ok());
        let short = (least - 1).to_string();
        let error =
            format!(r#"{variable} is "{short}", expected a whole number of seconds from {least} to 2592000"#);
        assert_eq!(with(variable, &short), Err(error));
    }
}

#[test]
fn keys_are_required_only_when_that_was_said_and_operators_have_a_long_one() {
    let with = |variable: &str, value: &str| {
        let mut variables = complete();
        variables.insert(variable.to_owned(), value.to_owned());
        let config = Config::from_map(&variables).map_err(|error| error.to_string())?;
        Ok::<_, String>((config.are_api_keys_required, config.operator_key.is_some()))
    };
    for (value, required) in [("", false), ("off", false), ("required", true)] {
        assert_eq!(with("API_KEYS", value), Ok((required, false)));
    }
    let error = r#"API_KEYS is "on", expected off or required"#.to_owned();
    assert_eq!(with("API_KEYS", "on"), Err(error));
    assert_eq!(with("OPERATOR_KEY", &"k".repeat(32)), Ok((false, true)));
    assert!(with("OPERATOR_KEY", "secret").unwrap_err().contains("32 bytes"));
    assert!(!with("OPERATOR_KEY", "secret").unwrap_err().contains("secret"));
}

#[test]
fn what_is_not_given_has_a_default() {
    let config = Config::from_map(&complete()).unwrap();
    assert_eq!(config.summarizer_max_wait, Duration::from_mins(5));
    assert_eq!(config.concurrency, 4);
    assert_eq!((config.limits.requests_per_minute, config.limits.tokens_per_day), (None, None));
    let mut variables = complete();
    variables.insert("MODEL_REQUESTS_PER_MINUTE".to_owned(), "30".to_owned());
    variables.insert("MODEL_WHEN_EXHAUSTED".to_owned(), "pause".to_owned());
    let limits = Config::from_map(&variables).unwrap().limits;
    assert_eq!((limits.requests_per_minute, limits.burst), (Some(30), 5));
    assert_eq!(limits.when_exhausted, WhenExhausted::Pause);
    variables.insert("MODEL_WHEN_EXHAUSTED".to_owned(), "stop".to_owned());
    let error = Config::from_map(&variables).unwrap_err().to_string();
    assert_eq!(error, r#"MODEL_WHEN_EXHAUSTED is "stop", expected built-in or pause"#);
    assert!(!config.in_lambda);
}

#[test]
fn a_function_whose_url_lets_everybody_in_takes_keys_or_does_not_begin() {
    let with = |keys: &str, url: &str| {
        let given = [("API_KEYS", keys), ("WEBHOOK_AUTH_TYPE", url)];
        let mut variables = complete();
        variables.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let config = Config::from_map(&variables).unwrap();
        config.check_url("WEBHOOK_AUTH_TYPE").map_err(|error| error.to_string())
    };
    for (keys, url) in [("off", ""), ("off", "AWS_IAM"), ("required", "AWS_IAM"), ("required", "NONE")] {
        assert_eq!(with(keys, url), Ok(()), "{keys} {url}");
    }
    let refused = r#"WEBHOOK_AUTH_TYPE is "NONE", expected AWS_IAM, or NONE with API_KEYS required"#;
    assert_eq!(with("off", "NONE"), Err(refused.to_owned()));
    assert_eq!(with("", "NONE"), Err(refused.to_owned()));
    let unknown = r#"WEBHOOK_AUTH_TYPE is "IAM", expected AWS_IAM or NONE"#;
    assert_eq!(with("required", "IAM"), Err(unknown.to_owned()));
}
