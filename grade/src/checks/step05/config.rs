//! The configuration of images, and the options that win over it.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::own::{Own, small_layer};
use crate::archive::image::Image;
use crate::{Check, Need, Output, Subject, Verdict, expect_eq};

const CONTAINER: Check = Check {
    step: 5,
    behaviours: &[30],
    points: 1,
    section: "05-aufs-overlay.html#container",
    after: &["import-run"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "config-command",
        title: "entrypoint and command of the image, of the command line and of --entrypoint combine as Docker's do",
        points: 2,
        section: "05-aufs-overlay.html#config",
        hints: &[
            "Entrypoint, then the command line's words, or Cmd if there are none; --entrypoint drops Cmd.",
        ],
        run: command,
        ..CONTAINER
    },
    Check {
        id: "config-words",
        title: "words after the image reach an entrypoint, whatever options of the runtime they look like",
        section: "05-aufs-overlay.html#command-line",
        hints: &["`run --entrypoint sh IMAGE -c 'ls'`: the options end at the image."],
        after: &["config-command"],
        run: words,
        ..CONTAINER
    },
    Check {
        id: "config-none",
        title: "an image without a command, run without one, is one error; with one it runs",
        section: "05-aufs-overlay.html#config",
        hints: &["Exit status 125, before the clone."],
        run: no_command,
        ..CONTAINER
    },
    Check {
        id: "config-environment",
        title: "Env and WorkingDir of the image hold, and -e and -w win over them",
        points: 2,
        section: "05-aufs-overlay.html#config",
        hints: &["The defaults, then the image's, then the command line's: the last of a name wins."],
        run: environment,
        ..CONTAINER
    },
    Check {
        id: "config-user",
        title: "the image's User holds, and -u wins over it",
        section: "05-aufs-overlay.html#config",
        hints: &["As with -u, by the image's own /etc/passwd."],
        needs: &[Need::SubIdsOrRoot],
        after: &["import-run", "user-by-name-and-id"],
        run: user,
        ..CONTAINER
    },
];

/// Loads an image with this configuration as `check/config:N`.
pub(super) fn configured(own: &Own, number: usize, config: Value) -> Result<String> {
    let name = format!("check/config:{number}");
    own.load_images(&[Image { config, ..Image::new(&name, vec![small_layer()?]) }])?;
    Ok(name)
}

fn run(own: &Own, image: &str, options: &[&str], words: &[&str]) -> Result<Output> {
    let all: Vec<&str> = std::iter::once("--rm").chain(options.iter().copied()).collect();
    own.launch(image, &all, words).output()
}

/// Entrypoint and Cmd of the image, options, the command line's words, and what `echo` then prints.
type Line = (Value, Value, &'static [&'static str], &'static [&'static str], &'static str);

fn command(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let (none, echo) = (Value::Null, json!(["echo", "of", "image"]));
    let lines: [Line; 8] = [
        (none.clone(), echo.clone(), &[], &[], "of image\n"),
        (none.clone(), echo.clone(), &[], &["echo", "of line"], "of line\n"),
        (echo.clone(), none.clone(), &[], &[], "of image\n"),
        (echo.clone(), json!(["cmd"]), &[], &[], "of image cmd\n"),
        (echo.clone(), json!(["cmd"]), &[], &["a b", ""], "of image a b \n"),
        (json!(["cat"]), json!(["/none"]), &["--entrypoint", "echo"], &[], "\n"),
        (json!(["cat"]), json!(["/none"]), &["--entrypoint", "echo"], &["x"], "x\n"),
        (json!(["cat"]), json!(["/none"]), &["--entrypoint", ""], &["echo", "y"], "y\n"),
    ];
    for (number, (entrypoint, cmd, options, words, wanted)) in lines.into_iter().enumerate() {
        let config = json!({ "Entrypoint": entrypoint, "Cmd": cmd });
        let what = format!("stdout of {options:?} {words:?} with {config}");
        let image = configured(&own, number, config)?;
        expect_eq!(run(&own, &image, options, words)?.success()?.out(), wanted, "{what}");
    }
    Ok(())
}

fn words(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let script = "for word; do echo \"<$word>\"; done; echo ${A-unset}; echo x >/etc/new && echo written";
    let image = configured(&own, 0, json!({ "Entrypoint": ["sh", "-c", script, "entrypoint"] }))?;
    let words = [
        "-c",
        "--read-only",
        "-e",
        "A=b",
        "--rm",
        "--name",
        "kept",
        "--entrypoint",
        "cat",
        "--storage-driver",
        "vfs",
        "--explain",
        "--help",
        "--",
        "--",
    ];
    let wanted: String = words.iter().map(|word| format!("<{word}>\n")).collect();
    let output = own.launch(&image, &["--rm"], &words).output()?.success()?;
    expect_eq!(output.out(), wanted + "unset\nwritten\n", "what the image's entrypoint sees");
    let line =
        ["-c", "echo $0 $1 $2 ${A-unset}; echo x >/etc/new && echo written", "--read-only", "-e", "A=b"];
    for (option, words) in [("sh", &line[..]), ("", &[&["sh"], &line[..]].concat())] {
        let output = own.launch(&image, &["--rm", "--entrypoint", option], words).output()?.success()?;
        let wanted = "--read-only -e A=b unset\nwritten\n";
        expect_eq!(output.out(), wanted, "stdout of {words:?} with --entrypoint {option:?}");
    }
    expect_eq!(own.containers()?, Vec::<String>::new(), "containers that are kept");
    Ok(())
}

fn no_command(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    for (number, config) in [json!({}), json!({ "Cmd": [] }), Value::Null].into_iter().enumerate() {
        let image = configured(&own, number, config)?;
        own.refused(own.launch(&image, &[], &[]), "command", "a run of an image without a command")?;
        expect_eq!(run(&own, &image, &[], &["echo", "up"])?.success()?.out(), "up\n", "stdout with one");
    }
    let image = configured(&own, 9, json!({ "Entrypoint": ["cat"], "Cmd": ["/etc/passwd"] }))?;
    let launch = own.launch(&image, &["--entrypoint", ""], &[]);
    own.refused(launch, "command", "a run with the entrypoint cleared and no command")
}

fn environment(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let env = ["PATH=/bin:/of/image", "GREETING=hello world", "EMPTY=", "TWICE=1"];
    let image = configured(&own, 0, json!({ "Cmd": ["sh"], "Env": env, "WorkingDir": "/var/work" }))?;
    let line = "echo $PATH; echo $GREETING; echo ${EMPTY-unset}; echo $TWICE; pwd";
    let seen = own.sh(&image, &["--rm"], line)?;
    expect_eq!(seen, "/bin:/of/image\nhello world\n\n1\n/var/work\n", "the image's variables and folder");
    let options = ["--rm", "-e", "TWICE=2", "-e", "GREETING=", "-w", "/tmp"];
    let seen = own.sh(&image, &options, line)?;
    expect_eq!(seen, "/bin:/of/image\n\n\n2\n/tmp\n", "the variables and the folder with -e and -w");
    let held = own.hold(&image, &["--rm", "-e", "TWICE=2"])?;
    let environment = held.command.environ()?;
    let twice: Vec<_> = environment.iter().filter(|variable| variable.starts_with("TWICE=")).collect();
    expect_eq!(twice, ["TWICE=2"], "TWICE in the command's environment");
    held.end()
}

fn user(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let image = configured(&own, 0, json!({ "Cmd": ["sh"], "User": "student" }))?;
    expect_eq!(own.sh(&image, &["--rm"], "id -u; id -g")?, "1000\n1000\n", "the user of the image");
    expect_eq!(own.sh(&image, &["--rm", "-u", "0"], "id -u")?, "0\n", "the user with -u 0");
    let image = configured(&own, 1, json!({ "Cmd": ["sh"], "User": "7:8" }))?;
    expect_eq!(own.sh(&image, &["--rm"], "id -u; id -g")?, "7\n8\n", "user and group of the image");
    let image = configured(&own, 2, json!({ "Cmd": ["sh"], "User": "nobody-knows" }))?;
    own.refused(own.launch(&image, &[], &["echo", "started"]), "nobody-knows", "a run as an unknown user")
}
