use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::Error;

/// How many rows and items there are of each layer; a layer without any is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, i64>);

impl Counts {
    /// Whether there is nothing at all.
    pub fn is_nothing(&self) -> bool {
        self.0.values().all(|rows| *rows == 0)
    }

    /// Adds to a layer.
    pub fn add(&mut self, layer: &str, rows: i64) {
        if rows > 0 {
            *self.0.entry(layer.to_owned()).or_default() += rows;
        }
    }

    /// Rows of a layer and their number.
    pub(super) fn of_rows(rows: &[Row]) -> Result<Self, Error> {
        let pairs = rows.iter().map(|row| Ok((row.try_get("layer")?, row.try_get("rows")?)));
        Ok(Self(pairs.collect::<Result<_, Error>>()?))
    }

    /// The layers and their numbers, as a statement takes them.
    pub(super) fn columns(&self) -> (Vec<&str>, Vec<i64>) {
        self.0.iter().map(|(layer, rows)| (layer.as_str(), *rows)).unzip()
    }
}
