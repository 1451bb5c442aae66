//! What `infra/template.yaml` says, read the way the local stack and the tests need it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value;

/// Properties of resources that only people read.
const ONLY_READ: [&str; 2] = ["AlarmDescription", "Description"];

/// The template that is deployed, here as on AWS.
#[derive(Debug, Clone)]
pub struct Template {
    document: Value,
}

/// The short forms of CloudFormation's functions (`!Ref x`) as their long forms (`Ref: x`), so that one walk sees both.
fn long_form(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let key =
                if name == "Ref" || name == "Condition" { name.to_owned() } else { format!("Fn::{name}") };
            let mut argument = long_form(tagged.value);
            if name == "GetAtt"
                && let Some((resource, attribute)) = argument.as_str().and_then(|text| text.split_once('.'))
            {
                argument = Value::Sequence(vec![resource.into(), attribute.into()]);
            }
            Value::Mapping([(key.into(), argument)].into_iter().collect())
        }
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(long_form).collect()),
        Value::Mapping(entries) => {
            Value::Mapping(entries.into_iter().map(|(key, value)| (key, long_form(value))).collect())
        }
        scalar => scalar,
    }
}

/// What a section of a template defines.
fn entries(section: Option<&mut Json>) -> impl Iterator<Item = &mut Map<String, Json>> {
    let entries = section.and_then(Json::as_object_mut);
    entries.into_iter().flat_map(Map::values_mut).filter_map(Json::as_object_mut)
}

/// The logical name of the resource whose ARN is meant.
fn arn_of(value: Option<&Value>) -> Option<&str> {
    match value?.get("Fn::GetAtt")?.as_sequence()?.as_slice() {
        [resource, attribute] if attribute.as_str() == Some("Arn") => resource.as_str(),
        _ => None,
    }
}

impl Template {
    /// Reads `infra/template.yaml` of a workspace.
    pub fn read(workspace: &Path) -> Result<Self> {
        let path = workspace.join("infra/template.yaml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a template", path.display()))
    }

    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self> {
        let document = long_form(serde_yaml_ng::from_str(text)?);
        document.get("Resources").and_then(Value::as_mapping).context("it has no Resources")?;
        Ok(Self { document })
    }

    /// The whole document, short forms of functions written out.
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// The text to deploy, as JSON: the file with the one change a packaged template has, a bucket in place of a folder in
    /// every `CodeUri`, and without what only people read, because CloudFormation takes 51,200 bytes of a template that
    /// lies in no bucket. Nothing is uploaded: the functions run under `cargo lambda watch`.
    pub fn packaged(&self) -> Result<String> {
        let mut document = serde_json::to_value(&self.document)?;
        let whole = document.as_object_mut().context("it is no mapping")?;
        whole.remove("Metadata");
        for parameter in entries(whole.get_mut("Parameters")) {
            parameter.remove("Description");
        }
        for resource in entries(whole.get_mut("Resources")) {
            let Some(Json::Object(properties)) = resource.get_mut("Properties") else { continue };
            properties.retain(|name, _| !ONLY_READ.contains(&name.as_str()));
            if let Some(Json::String(code)) = properties.get_mut("CodeUri") {
                *code = code.replace("../functions/", "s3://hosted-on-this-machine/");
            }
        }
        Ok(document.to_string())
    }

    /// The properties of every resource of a type, by logical name.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.document.get("Resources").and_then(Value::as_mapping);
        resources
            .into_iter()
            .flatten()
            .filter(|(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
            .filter_map(|(name, resource)| {
                Some((name.as_str()?, resource.get("Properties").unwrap_or(&Value::Null)))
            })
            .collect()
    }

    /// The names of the functions.
    pub fn functions(&self) -> Vec<String> {
        self.resources("AWS::Serverless::Function")
            .into_values()
            .filter_map(|properties| Some(properties.get("FunctionName")?.as_str()?.to_owned()))
            .collect()
    }

    /// The names of the agents that events wake: the functions that a queue wakes to which no schedule sends.
    pub fn agents(&self) -> Vec<String> {
        self.woken_by_queues(|queue| !self.ticks(queue))
    }

    /// The names of the agents that a schedule wakes: the functions behind the queues it sends to.
    pub fn scheduled(&self) -> Vec<String> {
        self.woken_by_queues(|queue| self.ticks(queue))
    }

    fn woken_by_queues(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let functions = self.resources("AWS::Serverless::Function");
        self.resources("AWS::Lambda::EventSourceMapping")
            .into_values()
            .filter(|mapping| {
                arn_of(mapping.get("EventSourceArn"))
                    .is_some_and(|queue| wanted(queue) && !self.is_own(queue))
            })
            .filter_map(|mapping| mapping.get("FunctionName")?.get("Ref")?.as_str())
            .filter_map(|logical| Some(functions.get(logical)?.get("FunctionName")?.as_str()?.to_owned()))
            .collect()
    }

    /// Whether a variable of its own names a queue, by its logical name: that of a function that is no agent.
    fn is_own(&self, queue: &str) -> bool {
        let path = ["Globals", "Function", "Environment", "Variables"];
        let variables = path.iter().try_fold(&self.document, |value, name| value.get(name));
        let mut values = variables.and_then(Value::as_mapping).into_iter().flatten().map(|(_, value)| value);
        values.any(|value| value.get("Ref").and_then(Value::as_str) == Some(queue))
    }

    /// Whether a schedule sends to a queue, by its logical name.
    fn ticks(&self, queue: &str) -> bool {
        self.resources("AWS::Scheduler::Schedule").into_values().any(|schedule| {
            arn_of(schedule.get("Target").and_then(|target| target.get("Arn"))) == Some(queue)
        })
    }

    /// The attribute by which items of the hot table expire.
    pub fn hot_table_expiry(&self) -> Option<&str> {
        self.resources("AWS::DynamoDB::Table")
            .get("HotTable")?
            .get("TimeToLiveSpecification")?
            .get("AttributeName")?
            .as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
    }

    #[test]
    fn the_packaged_template_differs_in_the_code_and_in_what_only_people_read() {
        let packaged = template().packaged().unwrap();
        assert!(packaged.len() <= 51_200, "{} bytes are more than CloudFormation takes", packaged.len());
        let packaged: Value = serde_yaml_ng::from_str(&packaged).unwrap();
        for section in ["Rules", "Conditions", "Globals", "Outputs"] {
            assert_eq!(packaged[section], template().document()[section], "{section}");
        }
        let mut document = template().document().clone();
        let resources = document["Resources"].as_mapping_mut().unwrap();
        for (_, resource) in resources.iter_mut() {
            if let Some(properties) = resource.get_mut("Properties").and_then(Value::as_mapping_mut) {
                properties.retain(|name, _| !name.as_str().is_some_and(|name| ONLY_READ.contains(&name)));
            }
        }
        let changed: Vec<_> = resources
            .iter()
            .filter(|(name, resource)| packaged["Resources"][*name] != **resource)
            .map(|(name, _)| {
                packaged["Resources"][name]["Properties"]["CodeUri"].as_str().unwrap_or_default()
            })
            .collect();
        assert_eq!(changed.len(), template().functions().len());
        assert!(changed.iter().all(|code| code.starts_with("s3://")), "{changed:?}");
        let named = |document: &Value| {
            let names = document["Parameters"].as_mapping().unwrap().keys();
            names.map(|name| name.as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(named(&packaged), named(template().document()));
    }

    #[test]
    fn the_agents_are_the_functions_that_queues_wake() {
        let (agents, functions) = (template().agents(), template().functions());
        let scheduled = template().scheduled();
        assert!(
            scheduled.contains(&"pattern-finder".to_owned()) && !scheduled.contains(&"recall".to_owned())
        );
        assert!(scheduled.iter().all(|agent| functions.contains(agent) && !agents.contains(agent)));
        assert!(agents.contains(&"summarizer".to_owned()) && !agents.contains(&"recall".to_owned()));
        assert!(agents.iter().all(|agent| functions.contains(agent)));
        assert!(functions.contains(&"ingester".to_owned()) && !agents.contains(&"ingester".to_owned()));
        assert!(functions.contains(&"recall".to_owned()));
        assert_eq!(template().hot_table_expiry(), Some("expires_at"));
    }

    #[test]
    fn short_forms_are_written_out() {
        let text = "Resources:\n  A: { Type: T, Properties: { x: !GetAtt B.Arn, y: !If [C, !Ref D, 1] } }\n";
        let template = Template::parse(text).unwrap();
        let a = template.resources("T")["A"];
        assert_eq!(a["x"]["Fn::GetAtt"][1].as_str(), Some("Arn"));
        assert_eq!(a["y"]["Fn::If"][1]["Ref"].as_str(), Some("D"));
    }
}
