//! What the template's `Rules` say of parameters. CloudFormation looks at them before it makes anything; the emulator does not.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_yaml_ng::Value;

use crate::template::Template;

/// The parameters of a deployment: those that are given, and the defaults of the others.
struct Given<'a> {
    document: &'a Value,
    parameters: &'a BTreeMap<String, String>,
}

impl Template {
    /// Why CloudFormation would refuse the template with these parameters: what it says of each assertion that does not hold.
    /// The parameters that are not given have their defaults.
    ///
    /// # Errors
    /// When a rule uses a function that is not known here.
    pub fn refusals(&self, parameters: &BTreeMap<String, String>) -> Result<Vec<String>> {
        let given = Given { document: self.document(), parameters };
        let mut refusals = Vec::new();
        for (name, rule) in self.document().get("Rules").and_then(Value::as_mapping).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            let holds = |condition: &Value| given.holds(condition).with_context(|| format!("of rule {name}"));
            if !rule.get("RuleCondition").map_or(Ok(true), holds)? {
                continue;
            }
            for assertion in rule.get("Assertions").and_then(Value::as_sequence).into_iter().flatten() {
                let asserted =
                    assertion.get("Assert").with_context(|| format!("rule {name} asserts nothing"))?;
                if !holds(asserted)? {
                    let said = assertion.get("AssertDescription").and_then(Value::as_str);
                    refusals.push(said.unwrap_or(name).to_owned());
                }
            }
        }
        Ok(refusals)
    }
}

impl Given<'_> {
    fn holds(&self, condition: &Value) -> Result<bool> {
        let (function, argument) = single(condition)?;
        let arguments = argument.as_sequence().with_context(|| format!("{function} takes a list"))?;
        match (function, arguments.as_slice()) {
            ("Fn::And", all) => all.iter().try_fold(true, |holds, one| Ok(holds & self.holds(one)?)),
            ("Fn::Or", any) => any.iter().try_fold(false, |holds, one| Ok(holds | self.holds(one)?)),
            ("Fn::Not", [one]) => Ok(!self.holds(one)?),
            ("Fn::Equals", [one, other]) => Ok(self.value(one)? == self.value(other)?),
            (function, _) => bail!("{function} is not known here"),
        }
    }

    fn value(&self, value: &Value) -> Result<String> {
        if let Some(text) = value.as_str() {
            return Ok(text.to_owned());
        }
        let ("Ref", parameter) = single(value)? else { bail!("expected a text or a parameter") };
        let parameter = parameter.as_str().context("Ref takes the name of a parameter")?;
        if let Some(given) = self.parameters.get(parameter) {
            return Ok(given.clone());
        }
        let declared = self.document.get("Parameters").and_then(|parameters| parameters.get(parameter));
        let default = declared.and_then(|declared| declared.get("Default"));
        Ok(match default.with_context(|| format!("parameter {parameter} is not given"))? {
            Value::String(text) => text.clone(),
            other => serde_yaml_ng::to_string(other)?.trim().to_owned(),
        })
    }
}

/// The one entry of a mapping.
fn single(value: &Value) -> Result<(&str, &Value)> {
    let entries = value.as_mapping().filter(|entries| entries.len() == 1);
    let (name, argument) =
        entries.and_then(|entries| entries.iter().next()).context("expected one function")?;
    Ok((name.as_str().context("expected the name of a function")?, argument))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn refused(given: &[(&str, &str)]) -> Vec<String> {
        let template = Template::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        let database = [("DatabaseUrl", "postgres://nobody@127.0.0.1/none")];
        let parameters = database.iter().chain(given);
        let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        template.refusals(&parameters).unwrap()
    }

    #[test]
    fn nobody_is_let_in_unknown() {
        let open = "WebhookAuthType or RecallAuthType NONE lets everybody in: ApiKeys has to be required.";
        for (webhook, recall) in [("NONE", "AWS_IAM"), ("AWS_IAM", "NONE"), ("NONE", "NONE")] {
            let urls = [("WebhookAuthType", webhook), ("RecallAuthType", recall)];
            assert_eq!(refused(&urls), [open], "{urls:?}");
            assert_eq!(refused(&[urls.as_slice(), &[("ApiKeys", "off")]].concat()), [open], "{urls:?}");
            assert_eq!(refused(&[urls.as_slice(), &[("ApiKeys", "required")]].concat()), [""; 0], "{urls:?}");
        }
        assert_eq!(refused(&[]), [""; 0]);
        assert_eq!(refused(&[("ApiKeys", "required")]), [""; 0]);
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        assert_eq!(refused(&[("DatabaseUrl", "")]), ["DatabaseUrl or DatabaseSecretArn is needed."]);
        assert_eq!(refused(&[("DatabaseUrl", ""), ("DatabaseSecretArn", "arn")]), [""; 0]);
        let embedders = [("EmbedderUrl", "https://example.com"), ("EmbedderDirectory", "/opt/minilm")];
        assert_eq!(refused(&embedders).len(), 1);
        assert_eq!(refused(&[("MakeArchive", "true"), ("ArchiveBucketName", "mine")]).len(), 1);
    }

    #[test]
    fn a_rule_that_cannot_be_judged_is_an_error_and_one_whose_condition_does_not_hold_asserts_nothing() {
        let refusals = |rule: &str| {
            let text = format!("Rules:\n  R: {rule}\nParameters:\n  N: {{ Default: 5 }}\nResources: {{}}\n");
            Template::parse(&text).unwrap().refusals(&BTreeMap::new()).map_err(|error| format!("{error:#}"))
        };
        let never = "{ RuleCondition: !Equals [a, b], Assertions: [{ Assert: !Equals [a, b] }] }";
        assert_eq!(refusals(never), Ok(vec![]));
        let always =
            r#"{ RuleCondition: !Equals [!Ref N, "5"], Assertions: [{ Assert: !Not [!Equals [a, a]] }] }"#;
        assert_eq!(refusals(always), Ok(vec!["R".to_owned()]));
        let unknown = "{ Assertions: [{ Assert: !Contains [[a], a] }] }";
        assert_eq!(refusals(unknown), Err("of rule R: Fn::Contains is not known here".to_owned()));
        let missing = "{ Assertions: [{ Assert: !Equals [!Ref M, a] }] }";
        assert_eq!(refusals(missing), Err("of rule R: parameter M is not given".to_owned()));
    }
}
