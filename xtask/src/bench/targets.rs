//! What was aimed at.

use super::results::{Results, Row, Target};

enum Measure {
    /// This row's p50.
    Value(&'static str),
    /// This row's p50 divided by that one's.
    Quotient(&'static str, &'static str),
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};
use Measure::{Quotient, Value};

const TARGETS: [(&str, Measure, Bound); 7] = [
    ("`step07` without a network: at most 1.0 × bubblewrap", Quotient("step07", "bwrap"), AtMost(1.0)),
    ("with limits: at most 1/8 of runc", Quotient("limits", "runc-limits"), AtMost(1.0 / 8.0)),
    (
        "`step08` on its bridge: at most 1/25 of docker",
        Quotient("bridge", "docker-bridge"),
        AtMost(1.0 / 25.0),
    ),
    ("with a published port: at most 1/20 of docker", Quotient("port", "docker-port"), AtMost(1.0 / 20.0)),
    (
        "a supervisor's memory: at most 1/10 of containerd-shim's",
        Quotient("memory-step07-10", "memory-shim"),
        AtMost(1.0 / 10.0),
    ),
    ("`run -d` of 500: at least 150 a second", Value("rate-step07-500"), AtLeast(150.0)),
    (
        "one start among 500: at most 1.5 × one among 1",
        Quotient("crowded-step07-500", "crowded-step07-1"),
        AtMost(1.5),
    ),
];

/// All of them, with what was measured.
pub fn judge(results: &Results) -> Vec<Target> {
    let p50 = |id: &str| results.row(id).map(|row: &Row| row.p50);
    let judged = |(text, measure, bound): &(&str, Measure, Bound)| {
        let measured = match measure {
            Value(row) => p50(row),
            Quotient(ours, theirs) => p50(ours).zip(p50(theirs)).map(|(ours, theirs)| ours / theirs),
        };
        let met = measured.map(|measured| match bound {
            AtMost(limit) => measured <= *limit,
            AtLeast(limit) => measured >= *limit,
        });
        Target { text: (*text).to_owned(), measured, met }
    };
    TARGETS.iter().map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{Group, Unit};

    fn judged(rows: &[(&str, f64)]) -> Vec<Option<bool>> {
        let rows = rows.iter().map(|(id, value)| Row::of(id, id, Unit::Milliseconds, &[*value])).collect();
        let group = Group { id: "g".into(), title: "g".into(), rows };
        let targets = judge(&Results { groups: vec![group], ..Results::default() });
        targets.iter().map(|target| target.met).collect()
    }

    #[test]
    fn a_target_is_met_up_to_its_bound() {
        let met = judged(&[("step07", 5.0), ("bwrap", 5.0), ("limits", 6.0), ("runc-limits", 40.0)]);
        assert_eq!(met[..3], [Some(true), Some(false), None]);
        assert_eq!(judged(&[("rate-step07-500", 150.0)])[5], Some(true));
        assert_eq!(judged(&[("rate-step07-500", 149.0)])[5], Some(false));
    }
}
