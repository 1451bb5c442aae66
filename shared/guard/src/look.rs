use std::ops::Range;

use domain::{GuardAction, GuardPolicy, Identifier};

use crate::identifiers;
use crate::secrets::Secrets;

/// By what something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A kind of identifier.
    Identifier(Identifier),
    /// A rule for secrets.
    Secret {
        /// Its name among the rules.
        id: &'static str,
        /// What it finds, in words.
        label: &'static str,
        /// Whether it goes by the words around a secret, whoever issued it.
        is_generic: bool,
    },
}

impl Rule {
    /// The name that it is recorded under: the rule's own, or that of the kind in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identifier(kind) => kind.as_str(),
            Self::Secret { id, .. } => id,
        }
    }

    /// Whether something is recorded under this name.
    pub(crate) fn is_name(name: &str) -> bool {
        Identifier::ALL.iter().any(|kind| kind.as_str() == name)
            || Secrets::get().rules.iter().any(|rule| rule.id == name)
    }

    /// What stands in the place of what it finds, in brackets.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Identifier(kind) => kind.label(),
            Self::Secret { label, .. } => label,
        }
    }

    /// What it is counted as: the kind of identifier, or `secret`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Identifier(kind) => kind.as_str(),
            Self::Secret { .. } => "secret",
        }
    }

    /// Which of two says better what something is.
    const fn rank(self) -> u8 {
        match self {
            Self::Secret { is_generic: false, .. } => 0,
            Self::Identifier(_) => 1,
            Self::Secret { is_generic: true, .. } => 2,
        }
    }
}

/// Something in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// By what it was found.
    pub rule: Rule,
    /// What is to be done about it: not nothing.
    pub action: GuardAction,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// What is in a text that the policy names, in its order, none within another.
pub fn look(policy: GuardPolicy, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if policy.secrets != GuardAction::Off {
        Secrets::get().find(text, &mut |rule, range| {
            findings.push(Finding { rule, action: policy.secrets, range });
        });
    }
    for kind in Identifier::ALL {
        let action = policy.about(kind);
        if action != GuardAction::Off {
            let rule = Rule::Identifier(kind);
            identifiers::find(kind, text, &mut |range| findings.push(Finding { rule, action, range }));
        }
    }
    apart(findings)
}

/// Puts together what overlaps: the name is that of whoever says best what it is, and the strictest action counts.
fn apart(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.range.start, finding.rule.rank()));
    let mut apart: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        match apart.last_mut() {
            Some(last) if finding.range.start < last.range.end => {
                last.range.end = last.range.end.max(finding.range.end);
                last.action = last.action.max(finding.action);
                if finding.rule.rank() < last.rule.rank() {
                    last.rule = finding.rule;
                }
            }
            _ => apart.push(finding),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use domain::IdentifierActions;

    use super::*;

    #[test]
    fn what_overlaps_is_one_thing_under_its_better_name() {
        let generic = Rule::Secret { id: "generic", label: "API key", is_generic: true };
        let at = |rule, action, range| Finding { rule, action, range };
        let email = Rule::Identifier(Identifier::Email);
        let found = apart(vec![
            at(email, GuardAction::Redact, 12..20),
            at(generic, GuardAction::Block, 4..15),
            at(email, GuardAction::Redact, 20..22),
        ]);
        let expected = [at(email, GuardAction::Block, 4..20), at(email, GuardAction::Redact, 20..22)];
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_the_policy_names_is_looked_for() {
        let text = "ada@example.com, DE44 5001 0517 5407 3249 31";
        let names = |policy: GuardPolicy| -> Vec<&str> {
            look(policy, text).iter().map(|finding| finding.rule.name()).collect()
        };
        assert!(names(GuardPolicy::default()).is_empty());
        let mut policy = GuardPolicy {
            identifiers: IdentifierActions::all(GuardAction::Redact),
            ..GuardPolicy::default()
        };
        assert_eq!(names(policy), ["email", "iban"]);
        policy.identifiers.email = GuardAction::Off;
        assert_eq!(names(policy), ["iban"]);
    }
}
