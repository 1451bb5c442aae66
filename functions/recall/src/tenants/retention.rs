//! For how long a tenant wants what is old to be kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::Whole;

/// Numbers that may be given, each from 0 to a hundred years of days.
macro_rules! periods {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name {
            $(
                $(#[$inner])*
                #[schema(value_type = Option<i64>, minimum = 0, maximum = 36_500)]
                $field: Option<Whole<0, 36_500>>,
            )*
        }
    };
}

periods! {
    /// For how long what is old is kept, in days; 0 is for ever, and what is not given is the deployment's.
    RetentionAsked {
        /// What a memory said before it was changed, since it was changed last.
        versions_days,
        /// Runs of agents and their ledger, and never less than `faded_days`.
        runs_days,
        /// States that an application saved.
        checkpoints_days,
        /// So many of each session stay, whatever their age.
        checkpoints_kept,
        /// Memories that were deleted, until when that can be taken back.
        deleted_days,
        /// Memories that have expired.
        expired_days,
        /// Memories that have faded.
        faded_days,
        /// What waits for an endpoint, until it is given up and is a dead letter.
        waiting_days,
        /// What endpoints were told, and what was given up.
        deliveries_days,
        /// Sessions in which nothing happens, before what was said in them goes to the archive.
        archive_days,
        /// Objects of the archive that no row names.
        orphans_days,
        /// Whatever is left of an erasure, before the operators are told that it is late.
        erasure_days,
    }
}
