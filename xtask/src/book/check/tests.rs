use super::*;
use crate::scratch::Scratch;

/// A book of two pages that is as it should be, without steps.
fn book() -> Scratch {
    let scratch = Scratch::new("check").unwrap();
    scratch.write("src/SUMMARY.md", "# S\n\n[One](one.md)\n- [Two](sub/two.md)\n");
    scratch
        .write("src/one.md", "# One {#one}\n\nSee [two](sub/two.md#part) and [out](https://example.org/).\n");
    scratch
        .write("src/sub/two.md", "# Two {#two}\n\n## Part {#part}\n\n![a](../drawings/a.svg) [up](#two)\n");
    scratch.write("src/drawings/a.svg", "<svg/>");
    scratch
}

fn report(scratch: &Scratch) -> Report {
    let workshop = Workshop::open(scratch.path(), Vec::new()).unwrap();
    sources(scratch.path(), &workshop).unwrap()
}

/// What a page with `text` added to it is blamed for.
fn blame(text: &str) -> Vec<String> {
    let scratch = book();
    scratch.write("src/one.md", &format!("# One {{#one}}\n\n{text}\n"));
    report(&scratch).problems
}

#[test]
fn a_good_book_passes() {
    let report = report(&book());
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.warnings, Vec::<String>::new());
}

#[test]
fn each_rule_can_fail() {
    let wrong = [
        ("[x](none.md)", "one.md:3: link to `none.md`: there is no src/none.md"),
        ("[x](sub/two.md#none)", "no heading with the id `none`"),
        ("[x](#none)", "no heading with the id `none`"),
        ("[x](../book.toml)", "leads out of the book"),
        ("![x](drawings/b.svg)", "there is no src/drawings/b.svg"),
        ("## Bare", "has no id"),
        ("## Again {#one}", "twice"),
        ("```\nx\n```", "no language"),
        ("```text\nx", "not closed"),
        ("```sh\n$ ls\n```", "nothing runs"),
        ("```console\n$ ls\n```", "root"),
        ("```console,root\nls\n```", "`$ `"),
        ("> ```text\n> x\n> ```", "quotation"),
        ("{{#include a.rs}}", "no directive"),
        ("<a href=\"none.html\">x</a>", "there is no src/none.html"),
    ];
    for (text, message) in wrong {
        let problems = blame(text);
        assert!(problems.iter().any(|problem| problem.contains(message)), "{text}: {problems:?}");
    }
    assert_eq!(blame("[x](sub/two.html#part) `[y](none.md)`"), Vec::<String>::new());
}

#[test]
fn files_that_no_page_uses_are_named() {
    let scratch = book();
    scratch.write("src/drawings/b.svg", "<svg/>");
    scratch.write("src/stray.md", "# X {#x}\n");
    scratch.write("src/SUMMARY.md", "[One](one.md)\n[Two](sub/two.md)\n[Three](three.md)\n");
    let problems = report(&scratch).problems;
    assert_eq!(
        problems,
        [
            "SUMMARY.md:3: there is no src/three.md",
            "src/stray.md: SUMMARY.md does not list it",
            "src/drawings/b.svg: no page shows this drawing"
        ]
    );
}

#[test]
fn long_lines_and_typed_code_are_warnings() {
    let scratch = book();
    scratch.write("src/one.md", &format!("# One {{#one}}\n\n{}\n\n```rust\nx\n```\n", "word ".repeat(50)));
    let report = report(&scratch);
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
}

#[test]
fn a_step_needs_a_chapter() {
    let scratch = book();
    scratch.write("step01-a/Cargo.toml", "[package]\nname = \"step01\"\n");
    let steps = vec![crate::steps::Step::at(scratch.path().join("step01-a"))];
    let workshop = Workshop::open(scratch.path(), steps).unwrap();
    let problems = sources(scratch.path(), &workshop).unwrap().problems;
    assert_eq!(problems, ["step01-a has no chapter in SUMMARY.md"]);
}
