//! Which function or role may send to which queue, and what else operators may do with one.

use local::template::Template;
use serde_yaml_ng::Value;

pub(super) fn string<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The logical name in `Ref: x` or `Fn::GetAtt: [x, y]`.
pub(super) fn referred(value: Option<&Value>) -> &str {
    let Some(value) = value else { return "" };
    let named = value.get("Ref").or_else(|| value.get("Fn::GetAtt")?.get(0));
    named.and_then(Value::as_str).unwrap_or_default()
}

/// Whether a role that EventBridge Scheduler takes on has a statement that allows sending to a queue.
pub(super) fn role_may_send(template: &Template, role: &str, queue: &str) -> bool {
    let roles = template.resources("AWS::IAM::Role");
    let Some(role) = roles.get(role) else { return false };
    let trusted = &role["AssumeRolePolicyDocument"]["Statement"][0];
    if trusted["Principal"]["Service"].as_str() != Some("scheduler.amazonaws.com") {
        return false;
    }
    let policies = role["Policies"].as_sequence().into_iter().flatten();
    policies.filter_map(|policy| policy["PolicyDocument"]["Statement"].as_sequence()).flatten().any(
        |statement| {
            statement["Action"].as_str() == Some("sqs:SendMessage")
                && statement["Resource"]
                    .as_sequence()
                    .is_some_and(|queues| queues.iter().any(|one| referred(Some(one)) == queue))
        },
    )
}

/// Whether a function may send to a queue, whatever the parameters.
pub(super) fn may_send(template: &Template, name: &str, queue: &str) -> bool {
    let functions = template.resources("AWS::Serverless::Function");
    let function = functions.values().find(|function| string(function, "FunctionName") == name);
    function.and_then(|function| function.get("Policies")).and_then(Value::as_sequence).is_some_and(
        |policies| {
            policies.iter().any(|policy| referred(policy["SQSSendMessagePolicy"].get("QueueName")) == queue)
        },
    )
}

/// Whether the function with the admin API has a statement that allows an action on a queue.
pub(super) fn operator_may(template: &Template, action: &str, queue: &str) -> bool {
    let functions = template.resources("AWS::Serverless::Function");
    let Some(recall) = functions.values().find(|function| string(function, "FunctionName") == "recall")
    else {
        return false;
    };
    let policies = recall["Policies"].as_sequence().into_iter().flatten();
    let of_operators = policies.filter(|policy| policy["Fn::If"][0].as_str() == Some("HasAdminApi"));
    allow(of_operators.map(|policy| &policy["Fn::If"][1]), action, queue)
}

/// Whether the janitor has a statement that allows an action on a queue, whatever the parameters.
pub(super) fn janitor_may(template: &Template, action: &str, queue: &str) -> bool {
    let functions = template.resources("AWS::Serverless::Function");
    let janitor = functions.values().find(|function| string(function, "FunctionName") == "janitor");
    let policies = janitor.and_then(|janitor| janitor["Policies"].as_sequence()).into_iter().flatten();
    allow(policies, action, queue)
}

/// Whether one of these policies has a statement that allows an action on a queue.
fn allow<'a>(policies: impl Iterator<Item = &'a Value>, action: &str, queue: &str) -> bool {
    let mut statements = policies.filter_map(|policy| policy["Statement"].as_sequence()).flatten();
    let listed = |value: &Value| value.as_sequence().cloned().unwrap_or_else(|| vec![value.clone()]);
    statements.any(|statement| {
        listed(&statement["Action"]).iter().any(|one| one.as_str() == Some(action))
            && listed(&statement["Resource"]).iter().any(|one| referred(Some(one)) == queue)
    })
}
