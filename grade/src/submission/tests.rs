use super::*;

fn package(json: &str) -> Package {
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_step_is_in_the_metadata_or_in_the_name() {
    let with = |name: &str, metadata: &str| {
        let json = format!(
            r#"{{"name":"{name}","manifest_path":"/m","metadata":{metadata},"default_run":null,"targets":[]}}"#
        );
        assignment_of(&package(&json))
    };
    let step = |number| Some(Assignment::Step(number));
    assert_eq!(with("step03", "null"), step(3));
    assert_eq!(with("my-step07", "null"), step(7));
    assert_eq!(with("mine", r#"{"grade":{"step":"step04"}}"#), step(4));
    assert_eq!(with("step03", r#"{"grade":{"step":"step04"}}"#), step(4));
    assert_eq!(with("step03", r#"{"grade":{"exercise":"no-such","step":"step03"}}"#), None);
    assert_eq!(
        (with("mine", "null"), with("step09", "null"), with("footstep03", "null")),
        (None, None, None)
    );
}

#[test]
fn the_program_is_the_only_one_or_the_default() {
    let with = |run: &str, names: &[&str]| {
        let target = |name: &&str| format!(r#"{{"name":"{name}","kind":["bin"]}}"#);
        let targets: Vec<String> = names.iter().map(target).collect();
        target_of(package(&format!(
            r#"{{"name":"mine","manifest_path":"/m","metadata":null,"default_run":{run},"targets":[{}]}}"#,
            targets.join(",")
        )))
    };
    assert_eq!(with("null", &["other"]).as_deref(), Some("other"));
    assert_eq!(with("null", &["other", "mine"]).as_deref(), Some("mine"));
    assert_eq!(with(r#""other""#, &["other", "mine"]).as_deref(), Some("other"));
    assert_eq!(with("null", &["one", "two"]), None);
}
