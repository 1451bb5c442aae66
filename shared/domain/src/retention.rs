use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// For how long what is old is kept, in days; a period that is not given is the deployment's, and 0 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// What a memory said before it was changed, since it was changed last: 90.
    pub versions_days: Option<u32>,
    /// Runs of agents and their ledger: 90, and never less than `faded_days`.
    pub runs_days: Option<u32>,
    /// States that an application saved: 30.
    pub checkpoints_days: Option<u32>,
    /// So many of each session stay, whatever their age: 5.
    pub checkpoints_kept: Option<u32>,
    /// Memories that were deleted, until when that can be taken back: 30.
    pub deleted_days: Option<u32>,
    /// Memories that have expired: 30.
    pub expired_days: Option<u32>,
    /// Memories that have faded: 30.
    pub faded_days: Option<u32>,
    /// What waits for an endpoint, until it is given up: 14.
    pub waiting_days: Option<u32>,
    /// What endpoints were told, and what was given up: 30.
    pub deliveries_days: Option<u32>,
    /// Sessions in which nothing happens, before what was said in them goes to the archive: 90.
    pub archive_days: Option<u32>,
    /// Objects of the archive that no row names: 7.
    pub orphans_days: Option<u32>,
    /// Whatever is left of an erasure, before somebody is told that it is late: 1.
    pub erasure_days: Option<u32>,
    /// Keys of rows of adopted tables that became no event: 30. The deployment's alone, as the tables are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals_days: Option<u32>,
}

impl Retention {
    /// What holds where nobody says otherwise.
    const USUAL: Self = Self {
        versions_days: Some(90),
        runs_days: Some(90),
        checkpoints_days: Some(30),
        checkpoints_kept: Some(5),
        deleted_days: Some(30),
        expired_days: Some(30),
        faded_days: Some(30),
        waiting_days: Some(14),
        deliveries_days: Some(30),
        archive_days: Some(90),
        orphans_days: Some(7),
        erasure_days: Some(1),
        refusals_days: Some(30),
    };

    /// These periods, the deployment's where one is not given, and the usual ones where that does not give it either.
    #[must_use]
    pub fn over(self, deployment: Self) -> Self {
        let fill = |own: Self, other: Self| Self {
            versions_days: own.versions_days.or(other.versions_days),
            runs_days: own.runs_days.or(other.runs_days),
            checkpoints_days: own.checkpoints_days.or(other.checkpoints_days),
            checkpoints_kept: own.checkpoints_kept.or(other.checkpoints_kept),
            deleted_days: own.deleted_days.or(other.deleted_days),
            expired_days: own.expired_days.or(other.expired_days),
            faded_days: own.faded_days.or(other.faded_days),
            waiting_days: own.waiting_days.or(other.waiting_days),
            deliveries_days: own.deliveries_days.or(other.deliveries_days),
            archive_days: own.archive_days.or(other.archive_days),
            orphans_days: own.orphans_days.or(other.orphans_days),
            erasure_days: own.erasure_days.or(other.erasure_days),
            refusals_days: own.refusals_days.or(other.refusals_days),
        };
        let own = Self { refusals_days: None, ..self };
        let mut periods = fill(fill(own, deployment), Self::USUAL);
        // That a memory has faded is known from the ledger.
        if periods.runs_days.is_some_and(|days| days > 0) {
            periods.runs_days = match periods.faded_days {
                Some(0) => Some(0),
                faded => periods.runs_days.max(faded),
            };
        }
        periods
    }
}

/// What a deployment says of the periods, as JSON. Of a tenant's settings a field that is not known is passed over; here it
/// is an error.
impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known = serde_json::to_value(Self::USUAL).map_err(|error| error.to_string())?;
        if let Some(unknown) = given.keys().find(|name| known.get(name.as_str()).is_none()) {
            return Err(format!("`{unknown}` is no period"));
        }
        serde_json::from_value(given.into()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_period_counts_before_the_deployments_and_that_before_the_usual_one() {
        let tenant = Retention { checkpoints_days: Some(7), ..Retention::default() };
        let deployment =
            Retention { checkpoints_days: Some(60), versions_days: Some(0), ..Retention::default() };
        let periods = tenant.over(deployment);
        assert_eq!(periods.checkpoints_days, Some(7));
        assert_eq!(periods.versions_days, Some(0));
        assert_eq!((periods.checkpoints_kept, periods.deleted_days), (Some(5), Some(30)));
        let both = Retention { refusals_days: Some(1), ..tenant };
        assert_eq!(both.over(deployment).refusals_days, Some(30), "no tenant's");
        assert_eq!(tenant.over(both).refusals_days, Some(1));
    }

    #[test]
    fn runs_are_kept_while_it_takes_them_to_know_what_has_faded() {
        let with = |runs, faded| {
            let own = Retention { runs_days: Some(runs), faded_days: Some(faded), ..Retention::default() };
            own.over(Retention::default()).runs_days
        };
        assert_eq!(with(10, 30), Some(30));
        assert_eq!(with(90, 30), Some(90));
        assert_eq!(with(10, 0), Some(0), "what fades is kept for ever, and so are they");
        assert_eq!(with(0, 30), Some(0));
    }

    #[test]
    fn a_period_that_is_not_known_is_refused() {
        assert_eq!("{}".parse(), Ok(Retention::default()));
        assert_eq!(r#"{"runs_days": 7}"#.parse::<Retention>().unwrap().runs_days, Some(7));
        assert_eq!(r#"{"run_days": 7}"#.parse::<Retention>(), Err("`run_days` is no period".to_owned()));
        assert_eq!(r#"{"refusals_days": 7}"#.parse::<Retention>().unwrap().refusals_days, Some(7));
        assert!(r#"{"runs_days": -1}"#.parse::<Retention>().is_err() && "7".parse::<Retention>().is_err());
    }
}
