//! What a run of the bench has found, as it is kept in JSON and shown in tables.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    pub about: About,
    pub absent: Vec<Absent>,
    pub groups: Vec<Group>,
    pub targets: Vec<Target>,
    /// Rounds in which the machine was busy with something else.
    pub warnings: Vec<String>,
}

/// What the figures depend on.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    pub date: String,
    pub commit: String,
    pub kernel: String,
    pub cgroups: String,
    pub processor: String,
    pub processors: usize,
    pub data: String,
    pub load: String,
    /// Between two runs.
    pub gap_ms: u64,
    pub quick: bool,
    /// How long the whole measurement took.
    pub seconds: u64,
    /// Name and version of everything that took part.
    pub versions: BTreeMap<String, String>,
}

/// Who was asked, and could not take part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    pub name: String,
    pub why: String,
}

/// Rows that make one table.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub id: String,
    pub title: String,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Unique in the whole document.
    pub id: String,
    pub name: String,
    pub ours: bool,
    pub unit: Unit,
    pub runs: usize,
    pub p50: f64,
    pub p90: f64,
    /// The row of ours that does the same, and this row's p50 divided by that one's.
    pub beside: Option<String>,
    pub ratio: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "KiB")]
    Kibibytes,
    #[serde(rename = "a second")]
    ASecond,
    #[serde(rename = "Gbit/s")]
    Gigabits,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Kibibytes => "KiB",
            Unit::ASecond => "a second",
            Unit::Gigabits => "Gbit/s",
        }
    }
}

/// What was aimed at: a quotient of two rows, or one row's value.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub text: String,
    /// `None` when a row that it needs was not measured.
    pub measured: Option<f64>,
    pub met: Option<bool>,
}

impl Row {
    pub fn of(id: &str, name: &str, unit: Unit, values: &[f64]) -> Row {
        Row {
            id: id.to_owned(),
            name: name.to_owned(),
            ours: false,
            unit,
            runs: values.len(),
            p50: quantile(values, 0.5),
            p90: quantile(values, 0.9),
            beside: None,
            ratio: None,
        }
    }

    pub fn ours(self) -> Row {
        Row { ours: true, ..self }
    }

    pub fn beside(self, other: &str) -> Row {
        Row { beside: Some(other.to_owned()), ..self }
    }
}

impl Results {
    /// Reads a document and looks whether it can be one.
    pub fn read(text: &str) -> Result<Results> {
        let results: Results = serde_json::from_str(text).context("it is no result of the bench")?;
        ensure!(!results.groups.is_empty(), "it has no groups");
        for row in results.rows() {
            let sound = row.runs > 0 && row.p50 > 0.0 && row.p90.is_finite();
            ensure!(sound, "the row {} has no sound figures", row.id);
            let beside = row.beside.as_ref().is_none_or(|other| results.row(other).is_some());
            ensure!(beside, "the row {} is beside one that is not there", row.id);
        }
        Ok(results)
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    pub fn row(&self, id: &str) -> Option<&Row> {
        self.rows().find(|row| row.id == id)
    }

    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// Works out every ratio. A row of ours that a peer would be beside can be missing: then there is none.
    pub fn compare(&mut self) {
        let medians: BTreeMap<String, f64> = self.rows().map(|row| (row.id.clone(), row.p50)).collect();
        for row in self.groups.iter_mut().flat_map(|group| &mut group.rows) {
            row.beside = row.beside.take().filter(|other| medians.contains_key(other));
            row.ratio = row.beside.as_ref().and_then(|other| Some(row.p50 / medians.get(other)?));
        }
    }
}

/// The value below which this share of all values lies; not a number when there are none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1)) as f64 * share;
    values.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Two rows, the second beside the first.
    pub fn example() -> Results {
        let mine = Row::of("mine", "step07", Unit::Milliseconds, &[2.0, 4.0, 3.0]).ours();
        let theirs = Row::of("theirs", "a & b", Unit::Milliseconds, &[30.0]).beside("mine");
        let group = Group { id: "plain".into(), title: "A start".into(), rows: vec![mine, theirs] };
        let mut results = Results { groups: vec![group], ..Results::default() };
        results.compare();
        results
    }

    #[test]
    fn a_quantile_is_a_value_of_the_sorted_list() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert!((quantile(&values, 0.5) - 3.0).abs() < 1e-9);
        assert!((quantile(&values, 0.9) - 5.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_peers_ratio_says_how_often_ours_goes_into_it() {
        assert_eq!(example().row("theirs").unwrap().ratio, Some(10.0));
        assert_eq!(example().row("mine").unwrap().ratio, None);
    }

    #[test]
    fn a_row_beside_nothing_has_no_ratio() {
        let mut results = example();
        results.groups[0].rows.remove(0);
        results.compare();
        assert_eq!(results.row("theirs").unwrap().ratio, None);
        assert!(Results::read(&serde_json::to_string(&results).unwrap()).is_ok());
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let text = serde_json::to_string(&example()).unwrap();
        assert!(text.contains(r#""unit":"ms""#), "{text}");
        let read = Results::read(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn a_document_that_cannot_be_true_is_refused() {
        let good = serde_json::to_string(&example()).unwrap();
        let wrong = [
            ("{}", "no result"),
            (&good.replace(r#""runs":3"#, r#""runs":0"#), "no sound figures"),
            (&good.replace(r#""p50":3.0"#, r#""p50":0.0"#), "no sound figures"),
            (&good.replace(r#""p50":3.0"#, r#""p50":null"#), "no result"),
            (&good.replace(r#""beside":"mine""#, r#""beside":"gone""#), "not there"),
            (&good.replace("plain", "plain\",\"more\":\""), "no result"),
        ];
        for (text, message) in wrong {
            let error = format!("{:#}", Results::read(text).unwrap_err());
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
