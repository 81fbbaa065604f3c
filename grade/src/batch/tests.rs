use super::*;
use crate::check::Outcome;
use crate::report::Entry;

fn graded(name: &str, fail: &[&str], block: &[&str]) -> Graded {
    let mut report = Report::new(1, Path::new(name));
    report.millis = 1234;
    report.peak_memory = Some(5 << 20);
    for check in grading::checks_of(Assignment::Step(1), &[]).unwrap() {
        let outcome = match check.id {
            id if fail.contains(&id) => Outcome::fail("<script>alert(\"x\")</script>\n\u{1b}[31m"),
            id if block.contains(&id) => Outcome::Blocked { by: fail[0].into() },
            _ => Outcome::Pass,
        };
        report.entries.push(Entry::of(check, outcome, 7));
    }
    Graded { name: name.into(), result: Ok(report) }
}

fn sample() -> Vec<Graded> {
    let ids: Vec<_> =
        grading::checks_of(Assignment::Step(1), &[]).unwrap().iter().map(|check| check.id).collect();
    vec![
        graded("<Bo> & \"Co\", =1", &[ids[2]], &[ids[3]]),
        graded("good", &[], &[]),
        graded("worse", &[ids[2], ids[1]], &[]),
        Graded { name: "broken".into(), result: Err("it holds 0 crates, and 0 programs".into()) },
    ]
}

#[test]
fn those_that_most_miss_come_first() {
    let missed: Vec<_> =
        most_missed(&sample()).iter().map(|(_, missed, judged)| (*missed, *judged)).collect();
    assert_eq!(missed, [(2, 3), (1, 3)]);
}

#[test]
fn the_page_holds_no_markup_of_a_student() {
    let page = html::render(&sample(), "a <b>");
    assert!(!page.contains("<script") && !page.contains("<Bo>") && !page.contains('\u{1b}'), "{page}");
    assert!(page.contains("a &lt;b&gt;") && page.contains("&lt;script&gt;"));
    for word in ["http://", "https://", "src=", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn every_line_of_the_table_has_the_same_number_of_fields() {
    let table = csv::render(&sample());
    let lines: Vec<&str> = table.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5);
    let fields = |line: &str| {
        let mut quoted = false;
        let mut comma = |c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        };
        line.chars().filter(|c| comma(*c)).count()
    };
    assert!(lines.iter().all(|line| fields(line) == fields(lines[0])), "{table}");
    assert!(lines[1].starts_with("\"<Bo> & \"\"Co\"\", =1\",step01,failed,"), "{table}");
    assert!(
        lines[4].starts_with("broken,,not graded,,,,,,\"it holds 0 crates, and 0 programs\","),
        "{table}"
    );
}

#[test]
fn json_has_every_submission() {
    let value: serde_json::Value = serde_json::from_str(&json::render(&sample()).unwrap()).unwrap();
    assert_eq!(value["submissions"].as_array().unwrap().len(), 4);
    assert_eq!(value["submissions"][3]["report"], serde_json::Value::Null);
    assert_eq!(value["submissions"][0]["report"]["status"], "failed");
}

#[test]
fn what_cannot_be_graded_is_a_result() {
    let folder = std::env::temp_dir().join(format!("grade-batch-{}", std::process::id()));
    fs::create_dir_all(folder.join("empty")).unwrap();
    fs::write(folder.join("notes.txt"), "no program").unwrap();
    fs::write(folder.join(".hidden"), "").unwrap();
    let paths = submissions(&folder).unwrap();
    let graded = run(&paths, &Terms { jobs: 2, ..Terms::default() }, &|_| ());
    fs::remove_dir_all(&folder).unwrap();
    let words: Vec<_> = graded.iter().map(|one| (one.name.as_str(), one.word())).collect();
    assert_eq!(words, [("empty", "not graded"), ("notes.txt", "not graded")]);
}
