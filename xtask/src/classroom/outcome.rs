//! What came of a class, beside what should have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::expected::Expected;

/// Prints a line for each submission, and how many differ from what was expected.
pub fn compare(expected: &BTreeMap<String, Expected>, batch: &Value) -> Result<usize> {
    let graded = batch["submissions"].as_array().context("the report has no submissions")?;
    let by_name = |name: &String| graded.iter().find(|one| one["name"] == name.as_str());
    println!("{:<50} {:>9} {:>7} {:>5}", "submission", "points", "seconds", "MiB");
    let mut wrong = 0;
    let (mut longest, mut largest) = (0, 0);
    for (name, expected) in expected {
        let one = by_name(name).with_context(|| format!("{name} was not graded"))?;
        let report = &one["report"];
        let (millis, peak) = (report["millis"].as_u64().unwrap_or(0), report["peak_memory_bytes"].as_u64());
        let mut objections = objections(expected, report);
        if peak.is_none() {
            objections.push("no peak of memory".to_owned());
        }
        let peak = peak.unwrap_or(0) >> 20;
        (longest, largest) = (longest.max(millis), largest.max(peak));
        let points = format!("{}/{}", report["points"]["got"], report["points"]["possible"]);
        println!("{name:<50} {points:>9} {:>7} {peak:>5}", millis / 1000);
        objections.iter().for_each(|objection| println!("    {objection}"));
        wrong += usize::from(!objections.is_empty());
    }
    ensure!(graded.len() == expected.len(), "{} of {} were graded", graded.len(), expected.len());
    println!("the longest took {} s, the largest {largest} MiB", longest / 1000);
    Ok(wrong)
}

fn objections(expected: &Expected, report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let ended =
        |check: &Value| Some((check["id"].as_str()?.to_owned(), check["outcome"].as_str()?.to_owned()));
    let ended: BTreeMap<String, String> = checks.iter().filter_map(ended).collect();
    let mut found: Vec<String> =
        ended.iter().filter_map(|(check, outcome)| expected.objection(check, outcome)).collect();
    let missing = expected.lost.iter().filter(|check| !ended.contains_key(*check));
    found.extend(missing.map(|check| format!("{check}: not held to it")));
    let sum: u64 = checks
        .iter()
        .filter(|check| check["outcome"] == "pass")
        .filter_map(|check| check["points"].as_u64())
        .sum();
    if report["points"]["got"] != sum {
        found.push(format!("{} points for checks worth {sum}", report["points"]["got"]));
    }
    found
}

/// Ends unless the other two reports have every submission, too.
pub fn agree(expected: &BTreeMap<String, Expected>, place: &Path) -> Result<()> {
    let read = |name: &str| fs::read_to_string(place.join(name)).with_context(|| format!("read {name}"));
    let (table, page) = (read("report.csv")?, read("report.html")?);
    ensure!(table.lines().count() == expected.len() + 1, "report.csv has {} lines", table.lines().count());
    for name in expected.keys() {
        ensure!(table.contains(&format!("\n{name},")), "{name} is not in report.csv");
        ensure!(page.contains(&format!(">{name}</a>")), "{name} is not in report.html");
    }
    Ok(())
}
