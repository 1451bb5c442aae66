use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What is done about something in what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// Nothing.
    #[default]
    Off,
    /// Its name takes its place.
    Redact,
    /// Whatever holds it is refused.
    Block,
}

impl GuardAction {
    /// What it is called in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Redact, Self::Block].into_iter().find(|action| action.as_str() == name)
    }
}

/// A word that this version does not know stands for redacting: whoever wrote it wanted something done.
impl<'de> Deserialize<'de> for GuardAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self::from_name(&name).unwrap_or(Self::Redact))
    }
}

/// What tells who somebody is, or where to find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// The number of a payment card.
    CreditCard,
    /// An international bank account number.
    Iban,
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// A social security number of the United States.
    UsSsn,
    /// A public address of the Internet, version 4 or 6.
    IpAddress,
}

impl Identifier {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::CreditCard, Self::Iban, Self::Phone, Self::Email, Self::UsSsn, Self::IpAddress];

    /// What it is called in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::UsSsn => "us_ssn",
            Self::IpAddress => "ip_address",
        }
    }

    /// What stands in its place, in brackets.
    pub const fn label(self) -> &'static str {
        match self {
            Self::CreditCard => "credit card",
            Self::Iban => "IBAN",
            Self::Phone => "phone number",
            Self::Email => "e-mail address",
            Self::UsSsn => "social security number",
            Self::IpAddress => "IP address",
        }
    }
}

/// What is done about each kind of identifier. One word stands for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct IdentifierActions {
    /// Numbers of payment cards.
    pub credit_card: GuardAction,
    /// International bank account numbers.
    pub iban: GuardAction,
    /// Telephone numbers.
    pub phone: GuardAction,
    /// E-mail addresses.
    pub email: GuardAction,
    /// Social security numbers of the United States.
    pub us_ssn: GuardAction,
    /// Public addresses of the Internet.
    pub ip_address: GuardAction,
}

impl IdentifierActions {
    /// The same for every kind.
    pub const fn all(action: GuardAction) -> Self {
        Self {
            credit_card: action,
            iban: action,
            phone: action,
            email: action,
            us_ssn: action,
            ip_address: action,
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct ByKind {
    credit_card: GuardAction,
    iban: GuardAction,
    phone: GuardAction,
    email: GuardAction,
    us_ssn: GuardAction,
    ip_address: GuardAction,
}

impl Default for ByKind {
    fn default() -> Self {
        let off = GuardAction::Off;
        Self { credit_card: off, iban: off, phone: off, email: off, us_ssn: off, ip_address: off }
    }
}

impl<'de> Deserialize<'de> for IdentifierActions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrKinds;
        impl<'de> Visitor<'de> for WordOrKinds {
            type Value = IdentifierActions;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`off`, `redact`, `block` or an object with one of them for each kind")
            }

            fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
                Ok(IdentifierActions::all(GuardAction::from_name(word).unwrap_or(GuardAction::Redact)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let ByKind { credit_card, iban, phone, email, us_ssn, ip_address } =
                    ByKind::deserialize(MapAccessDeserializer::new(map))?;
                Ok(IdentifierActions { credit_card, iban, phone, email, us_ssn, ip_address })
            }
        }
        deserializer.deserialize_any(WordOrKinds)
    }
}

/// What is looked for in what comes in, and what is done about it. Nothing, unless the tenant says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardPolicy {
    /// Keys, tokens and whatever else opens something.
    pub secrets: GuardAction,
    /// What tells who somebody is.
    pub identifiers: IdentifierActions,
}

impl GuardPolicy {
    /// Whether nothing is looked for.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// What is done about a kind of identifier.
    pub const fn about(&self, kind: Identifier) -> GuardAction {
        match kind {
            Identifier::CreditCard => self.identifiers.credit_card,
            Identifier::Iban => self.identifiers.iban,
            Identifier::Phone => self.identifiers.phone,
            Identifier::Email => self.identifiers.email,
            Identifier::UsSsn => self.identifiers.us_ssn,
            Identifier::IpAddress => self.identifiers.ip_address,
        }
    }
}

/// A policy, as a field of settings. One that cannot be read redacts everything: whoever wrote it wanted something done, and
/// the other settings hold.
pub(crate) fn read_or_redact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GuardPolicy, D::Error> {
    let stored = serde_json::Value::deserialize(deserializer)?;
    if stored.is_null() {
        return Ok(GuardPolicy::default());
    }
    let everything = GuardAction::Redact;
    let strict = GuardPolicy { secrets: everything, identifiers: IdentifierActions::all(everything) };
    Ok(serde_json::from_value(stored).unwrap_or(strict))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> GuardPolicy {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn nothing_is_looked_for_unless_it_is_said() {
        assert!(read(json!({})).is_off());
        assert!(read(json!({"secrets": "off", "identifiers": {"email": "off"}})).is_off());
        assert!(!read(json!({"secrets": "block"})).is_off());
    }

    #[test]
    fn one_word_stands_for_every_kind_and_an_object_for_each() {
        let all = read(json!({"identifiers": "redact"}));
        assert!(Identifier::ALL.iter().all(|kind| all.about(*kind) == GuardAction::Redact));
        let some = read(json!({"identifiers": {"email": "block", "iban": "redact"}}));
        let actions = Identifier::ALL.map(|kind| some.about(kind).as_str());
        assert_eq!(actions, ["off", "redact", "off", "block", "off", "off"]);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let policy = read(json!({"secrets": "block", "identifiers": {"phone": "redact"}}));
        assert_eq!(read(serde_json::to_value(policy).unwrap()), policy);
    }

    #[test]
    fn a_word_of_a_later_version_is_not_taken_for_off() {
        let policy = read(json!({"secrets": "mask", "identifiers": {"email": "hash"}, "names": "redact"}));
        assert_eq!((policy.secrets, policy.identifiers.email), (GuardAction::Redact, GuardAction::Redact));
        assert_eq!(read(json!({"identifiers": "mask"})).identifiers.iban, GuardAction::Redact);
        let settings =
            |guard| serde_json::from_value::<crate::TenantSettings>(json!({"guard": guard})).unwrap();
        assert_eq!(settings(json!("on")).guard.identifiers.iban, GuardAction::Redact);
        assert!(settings(json!(null)).guard.is_off());
    }
}
