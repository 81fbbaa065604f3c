use super::*;

const FOLDERS: [&str; 4] = ["step01-a", "step02-b", "step03-c", "step04-d"];
const PARENT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

/// A repository of four steps, committed. The third adds a line to `parent.rs`, the fourth another.
fn repository() -> (Scratch, Vec<Step>) {
    let scratch = Scratch::new("ripple").unwrap();
    for (index, folder) in FOLDERS.iter().enumerate() {
        let mut parent = PARENT.to_owned();
        if index >= 2 {
            parent.push_str("third\n");
        }
        if index >= 3 {
            parent = format!("fourth\n{parent}");
        }
        scratch.write(&format!("{folder}/Cargo.toml"), &format!("name = \"{folder}\"\n"));
        scratch.write(&format!("{folder}/src/parent.rs"), &parent);
        scratch.write(&format!("{folder}/src/same.rs"), "same\n");
    }
    git(&scratch, &["init", "--quiet"]);
    commit(&scratch);
    let steps = FOLDERS.iter().map(|folder| Step::at(scratch.path().join(folder))).collect();
    (scratch, steps)
}

fn git(scratch: &Scratch, arguments: &[&str]) {
    let status = Command::new("git")
        .arg("-C")
        .arg(scratch.path())
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

fn commit(scratch: &Scratch) {
    git(scratch, &["add", "--all"]);
    git(scratch, &["commit", "--quiet", "--no-verify", "--message", "x"]);
}

fn read(scratch: &Scratch, file: &str) -> String {
    fs::read_to_string(scratch.path().join(file)).unwrap()
}

fn carried(scratch: &Scratch, steps: &[Step], name: &str) -> Outcome {
    ripple(scratch.path(), steps, name, "HEAD").unwrap()
}

#[test]
fn an_edit_reaches_every_later_step_and_none_before() {
    let (scratch, steps) = repository();
    scratch.write("step02-b/src/parent.rs", &PARENT.replace("four", "FOUR"));
    scratch.write("step02-b/src/same.rs", "changed\n");
    let outcome = carried(&scratch, &steps, "step02");
    assert_eq!(
        outcome.done,
        [
            "merged step03-c/src/parent.rs",
            "copied step03-c/src/same.rs",
            "merged step04-d/src/parent.rs",
            "copied step04-d/src/same.rs",
        ]
    );
    assert_eq!(outcome.conflicts, Vec::<String>::new());
    assert_eq!(read(&scratch, "step01-a/src/parent.rs"), PARENT);
    assert_eq!(
        read(&scratch, "step04-d/src/parent.rs"),
        format!("fourth\n{}third\n", PARENT.replace("four", "FOUR"))
    );
    assert_eq!(read(&scratch, "step04-d/src/same.rs"), "changed\n");
    assert_eq!(read(&scratch, "step04-d/Cargo.toml"), "name = \"step04-d\"\n");
    // Once more changes nothing.
    assert_eq!(carried(&scratch, &steps, "step02").done, Vec::<String>::new());
}

#[test]
fn new_and_removed_files_are_carried() {
    let (scratch, steps) = repository();
    scratch.write("step03-c/src/deep/new.rs", "new\n");
    fs::remove_file(scratch.path().join("step03-c/src/same.rs")).unwrap();
    let outcome = carried(&scratch, &steps, "step03");
    assert_eq!(outcome.done, ["added step04-d/src/deep/new.rs", "removed step04-d/src/same.rs"]);
    assert_eq!(read(&scratch, "step04-d/src/deep/new.rs"), "new\n");
    assert!(!scratch.path().join("step04-d/src/same.rs").exists());
}

#[test]
fn a_conflict_keeps_the_steps_after_it_as_they_are() {
    let (scratch, steps) = repository();
    // The third step's own line stands where the edit is.
    scratch.write("step02-b/src/parent.rs", &PARENT.replace("seven", "SEVEN"));
    scratch.write("step02-b/src/same.rs", "changed\n");
    let outcome = carried(&scratch, &steps, "step02");
    assert_eq!(outcome.conflicts, ["step03-c/src/parent.rs"]);
    assert_eq!(outcome.stopped.as_deref(), Some("step03"));
    let marked = read(&scratch, "step03-c/src/parent.rs");
    assert!(marked.contains("<<<<<<< this step") && marked.contains(">>>>>>> the edit"), "{marked}");
    assert!(marked.contains("SEVEN") && marked.contains("third"));
    assert_eq!(read(&scratch, "step03-c/src/same.rs"), "changed\n");
    assert_eq!(read(&scratch, "step04-d/src/same.rs"), "same\n");
    // Mended, it goes on from there.
    scratch.write("step03-c/src/parent.rs", &format!("{}third\n", PARENT.replace("seven", "SEVEN")));
    let outcome = carried(&scratch, &steps, "step03");
    assert_eq!(outcome.done, ["merged step04-d/src/parent.rs", "copied step04-d/src/same.rs"]);
}

#[test]
fn a_file_that_the_later_step_changed_is_not_removed() {
    let (scratch, steps) = repository();
    scratch.write("step04-d/src/same.rs", "its own\n");
    commit(&scratch);
    fs::remove_file(scratch.path().join("step03-c/src/same.rs")).unwrap();
    let outcome = carried(&scratch, &steps, "step03");
    assert!(outcome.conflicts[0].contains("step04-d/src/same.rs: the edit removes"));
    assert_eq!(read(&scratch, "step04-d/src/same.rs"), "its own\n");
}

#[test]
fn the_base_can_be_an_older_commit() {
    let (scratch, steps) = repository();
    scratch.write("step03-c/src/same.rs", "changed\n");
    commit(&scratch);
    assert_eq!(carried(&scratch, &steps, "step03").done, Vec::<String>::new());
    let outcome = ripple(scratch.path(), &steps, "step03", "HEAD~1").unwrap();
    assert_eq!(outcome.done, ["copied step04-d/src/same.rs"]);
    assert!(ripple(scratch.path(), &steps, "step03", "no-such-revision").is_err());
    assert!(ripple(scratch.path(), &steps, "step07", "HEAD").is_err());
}
