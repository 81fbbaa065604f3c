use super::*;
use crate::scratch::Scratch;

const MANIFEST: &str = "[package]\nname = \"step01\"\n\n[dependencies]\nnix = \"1\"\n";
const CHILD: &str = "use std::fs;\n\nfn enter() {\n    one();\n}\n\nfn leave() {}\n";

/// Two steps: the second changes `enter`, adds `mount` and a file, and has unit tests.
fn workshop() -> (Scratch, Workshop) {
    let scratch = Scratch::new("expand").unwrap();
    scratch.write("step01-a/Cargo.toml", MANIFEST);
    scratch.write("step01-a/src/child.rs", CHILD);
    scratch.write(
        "step02-b/Cargo.toml",
        &format!("{}\n[package.metadata.step]\nchanges = []\n", MANIFEST.replace("step01", "step02")),
    );
    let child = CHILD.replace("one();", "two();");
    let tests = "\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
    scratch.write("step02-b/src/child.rs", &format!("{child}\nfn mount() {{\n    m();\n}}\n{tests}"));
    scratch.write("step02-b/src/rootfs.rs", "//! Files.\n\n/// Enters.\nfn pivot() {}\n");
    let steps = ["step01-a", "step02-b"].map(|name| Step::at(scratch.path().join(name)));
    let workshop = Workshop { steps: steps.into(), exercises: Exercises::default(), plans: Plans::default() };
    (scratch, workshop)
}

fn left(workshop: &Workshop, page: &str) -> Vec<String> {
    let expanded = workshop.expand("02-b.md", page);
    assert_eq!(expanded.problems, [], "{page}");
    workshop.uncovered("step02", &expanded.shown).unwrap()
}

#[test]
fn pages_are_chapters_by_their_number() {
    assert_eq!(step_of("04-chroot-proc.md").as_deref(), Some("step04"));
    for page in ["setup.md", "4-x.md", "exit-codes.md", "0a-x.md"] {
        assert_eq!(step_of(page), None);
    }
}

#[test]
fn a_page_that_shows_all_is_complete() {
    let (_scratch, workshop) = workshop();
    let page = "# X {#x}\n\n{{#diff step02 src/child.rs}}\n\n{{#diff step02 src/rootfs.rs}}\n";
    assert_eq!(left(&workshop, page), Vec::<String>::new());
    let page = "{{#diff step02 src/child.rs fn enter}}\n\n{{#diff step02 src/child.rs fn mount}}\n\n\
        {{#diff step02 src/rootfs.rs use, fn pivot}}\n";
    assert_eq!(left(&workshop, page), Vec::<String>::new());
}

#[test]
fn a_line_that_no_diff_shows_is_named() {
    let (_scratch, workshop) = workshop();
    let missing =
        left(&workshop, "{{#diff step02 src/child.rs fn enter}}\n\n{{#diff step02 src/rootfs.rs use}}\n");
    assert_eq!(
        missing,
        [
            "step02-b/src/child.rs: shown by no {{#diff}}: fn mount (+9-10)",
            "step02-b/src/rootfs.rs: shown by no {{#diff}}: fn pivot (+3-4)",
        ]
    );
    // Code as it stands is no diff, and neither is a diff in another step's chapter.
    let missing = left(&workshop, "{{#code step02 src/child.rs}}\n\n{{#diff step02 src/rootfs.rs}}\n");
    assert_eq!(missing.len(), 1);
    assert!(missing[0].contains("fn enter (-4, +4), fn mount (+9-10)"), "{missing:?}");
    let elsewhere = workshop.expand("03-c.md", "{{#diff step02 src/child.rs}}\n");
    assert!(elsewhere.shown.is_empty());
}

#[test]
fn a_changed_dependency_must_be_shown_and_a_changed_name_not() {
    let (scratch, workshop) = workshop();
    let page = "{{#diff step02 src/child.rs}}\n\n{{#diff step02 src/rootfs.rs}}\n";
    scratch.write("step02-b/Cargo.toml", &MANIFEST.replace("step01", "step02").replace("\"1\"", "\"2\""));
    assert!(left(&workshop, page)[0].contains("Cargo.toml: shown by no {{#diff}}: [dependencies] (-5, +5)"));
    let page = format!("{page}\n{{{{#diff step02 Cargo.toml [dependencies]}}}}\n");
    assert_eq!(left(&workshop, &page), Vec::<String>::new());
    assert!(!workshop.expand("02-b.md", "{{#diff step02 Cargo.toml}}").text.contains("name"));
}

#[test]
fn in_the_first_step_everything_is_new() {
    let (_scratch, workshop) = workshop();
    let missing = workshop.uncovered("step01", &BTreeSet::new()).unwrap();
    assert_eq!(missing.len(), 2);
    let page = "{{#diff step01 Cargo.toml}}\n\n{{#diff step01 src/child.rs}}\n";
    let expanded = workshop.expand("01-a.md", page);
    assert_eq!(workshop.uncovered("step01", &expanded.shown).unwrap(), Vec::<String>::new());
    assert!(expanded.text.contains("step01-a/src/child.rs (new)"));
}

#[test]
fn what_cannot_be_shown_is_named_with_its_line() {
    let (_scratch, workshop) = workshop();
    let wrong = [
        ("{{#diff step02 src/none.rs}}", "no src/none.rs"),
        ("{{#diff step09 src/child.rs}}", "no step called"),
        ("{{#diff step02 src/child.rs fn none}}", "no `fn none`"),
        ("{{#diff step02 src/child.rs fn leave}}", "nothing changes"),
        ("{{#diff step02 ../step01-a/src/child.rs}}", "there is no"),
        ("{{#diff step02 Cargo.toml}}", "empty"),
        ("{{#include x.rs}}", "no directive `include`"),
        ("```rust\n{{#code step02 src/child.rs}}\n```", "inside a fence"),
        ("{{#exercises step02}}", "no exercises/step02.toml"),
    ];
    for (text, message) in wrong {
        let expanded = workshop.expand("02-b.md", &format!("# X {{#x}}\n\n{text}\n"));
        assert_eq!(expanded.problems.len(), 1, "{text}");
        let problem = &expanded.problems[0];
        assert!(problem.message.contains(message), "{text}: {problem}");
        assert_eq!(problem.line, if text.starts_with("```") { 4 } else { 3 });
    }
}
